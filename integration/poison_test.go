package integration_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
)

// TestPoison of another producer, among a load: each message is one letter with its bytes, what
// is legal is handled, and neither holds anything up.
func TestPoison(t *testing.T) {
	onEach(t, func(t *testing.T, k broker.Kind) {
		b := broker.Start(t, k, broker.Options{})
		f := newForeign(t, b.Server)
		l := newLoad(t, b.Server, loadOptions{events: 1000, pace: 20 * time.Millisecond})
		l.serve()
		l.serve()
		l.publish()
		want := map[string]int{}
		for i := range scaledTimes(17) {
			for _, text := range f.poison(i) {
				l.foreign++
				want[text]++
			}
			l.foreignEvent(f, fmt.Sprint("bare-", i), nil)
		}
		require.NoError(t, l.judge().Err())
		got := map[string]int{}
		letters := l.letters()
		for i := range letters {
			if x := &letters[i]; x.EventID == "" {
				require.Equal(t, dlq.Undecodable, x.Reason)
				require.Zero(t, x.Attempts)
				require.NotEmpty(t, x.Errors)
				got[letterText(t, x)]++
			}
		}
		require.Equal(t, want, got)
		l.soon("everything is acknowledged", func() bool { return l.backlog() == 0 })
		l.stop()
		require.Zero(t, l.backlog(), "what was not acknowledged came back")
	})
}

// backlog is what waits for the group, or is under way, as far as the server tells.
func (l *load) backlog() int {
	l.t.Helper()
	g, err := l.bus.(eventbus.Inspector).Group(l.t.Context(), loadGroup+"."+loadName)
	require.NoError(l.t, err)
	return g.Lag + max(g.Pending, 0)
}

// letterText is what a letter has kept of an entry.
func letterText(t *testing.T, l *dlq.Letter) string {
	t.Helper()
	header := map[string]string{}
	for _, h := range l.Headers {
		name, value := h.Name, h.Value
		if coded, ok := strings.CutPrefix(name, "redis-field64-"); ok {
			plain, err := base64.RawURLEncoding.DecodeString(coded)
			require.NoError(t, err)
			text, err := base64.StdEncoding.DecodeString(value)
			require.NoError(t, err)
			name, value = "field "+string(plain), string(text)
		} else if plain, ok := strings.CutPrefix(name, "redis-field-"); ok {
			name = "field " + plain
		}
		header[letterName(name)] += value // a name may come twice
	}
	return keptText(header, l.Body)
}

func letterName(name string) string {
	if name == "content-type" {
		return "ce_datacontenttype"
	}
	return name
}

func keptText(header map[string]string, body []byte) string {
	return fmt.Sprintf("%q %q", header, body)
}
