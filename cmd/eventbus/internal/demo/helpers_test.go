package demo

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// safeBuffer is written from several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// outcome is what a run left.
type outcome struct {
	status   int
	out, err string
}

// play runs the demo on the bus.
func play(t *testing.T, bus *fakeBus, c Config) outcome {
	t.Helper()
	if c.Open == nil {
		c.Open = bus.open
	}
	var out, err safeBuffer
	c.Stdout, c.Stderr = &out, &err
	if c.Events == "" && c.Orders == 0 {
		c.Orders, c.Seed = 30, 1
	}
	if c.Stdin == nil {
		c.Stdin = strings.NewReader("")
	}
	if c.Stall == 0 {
		c.Stall = 20 * time.Second
	}
	status := Run(t.Context(), c)
	return outcome{status, out.String(), err.String()}
}

// totals reads the object of a run with JSON, which must be alone.
func (o outcome) totals(t *testing.T) Totals {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(o.out))
	d.DisallowUnknownFields()
	var got Totals
	require.NoError(t, d.Decode(&got), "%q, %s", o.out, o.err)
	_, err := d.Token()
	require.ErrorIs(t, err, io.EOF)
	return got
}

// storyLines is a story as a file would hold it.
func storyLines(orders int, seed uint64) []string {
	var lines []string
	for e := range (story{orders: orders, seed: seed}).tell() {
		lines = append(lines, string(wire.AppendJSON(nil, &e)))
	}
	return lines
}

// eventLine is a CloudEvent of a foreign producer.
func eventLine(id, eventType, subject string) string {
	return `{"specversion":"1.0","id":"` + id + `","source":"/elsewhere","type":"` + eventType + `","subject":"` + subject + `","data":{}}`
}

func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func zipped(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// readAll goes through the events of an input and returns them with what was said
// of bad lines.
func readAll(t *testing.T, in *input) (events []eventbus.DomainEvent, told []string) {
	t.Helper()
	f := &fileSource{in: in, bad: &badLines{tell: func(s string) { told = append(told, s) }}}
	seq, err := f.events(t.Context(), newRegister())
	require.NoError(t, err)
	for e := range seq {
		events = append(events, e)
	}
	f.bad.sum()
	return events, told
}
