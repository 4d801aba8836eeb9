package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func event(id string, version int64) eventbus.DomainEvent {
	return eventbus.Named("order.created", "order-1", map[string]string{"id": id}).WithID(id).WithVersion(version)
}

func record(id string) Record {
	e := event(id, 1)
	return about(Attempted, &e)
}

func open(t *testing.T, worker string) (j *Journal, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal.ndjson")
	j, err := Open(path, worker)
	require.NoError(t, err)
	t.Cleanup(func() { j.Close() })
	return j, path
}

// Journals that share a file keep their records whole, and each its own in order.
func TestManyWritersShareAFile(t *testing.T) {
	const writers, each = 8, 500
	path := filepath.Join(t.TempDir(), "journal.ndjson")
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			j, err := Open(path, fmt.Sprint("w", w))
			for i := 0; err == nil && i < each; i++ {
				r := record(fmt.Sprint(i))
				r.Err = strings.Repeat("x", i*10) // beyond a page, too
				err = j.Write(r)
			}
			if err == nil {
				err = j.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	log, err := Read(path)
	require.NoError(t, err)
	require.Len(t, log.Records, writers*each)
	require.Zero(t, log.Torn)
	next := map[string]int{}
	for _, r := range log.Records {
		require.Equal(t, fmt.Sprint(next[r.Worker]), r.EventID, "of %s", r.Worker)
		require.Equal(t, os.Getpid(), r.PID)
		next[r.Worker]++
	}
}

// counted is a file that counts its writes, and fails from one on.
type counted struct {
	writes, most int
	last         string
}

func (c *counted) Write(b []byte) (int, error) {
	if c.writes++; c.writes > c.most {
		return 0, errDisk
	}
	c.last = string(b)
	return len(b), nil
}

func (*counted) Close() error { return nil }

var errDisk = errors.New("disk is full")

func TestARecordIsOneLineAndOneWrite(t *testing.T) {
	file := &counted{most: 10}
	j := &Journal{file: file, worker: "w", pid: 1}
	r := record("a")
	r.Err = "two\nlines"
	require.NoError(t, j.Write(r))
	require.Equal(t, 1, file.writes)
	require.Equal(t, 1, strings.Count(file.last, "\n"))
	require.True(t, strings.HasSuffix(file.last, "}\n"))
}

// After a failure nothing more is written, and nobody is told otherwise.
func TestAFailedWriteIsNeverForgotten(t *testing.T) {
	file := &counted{most: 1}
	j := &Journal{path: "here", file: file, worker: "w", pid: 1}
	require.NoError(t, j.Write(record("a")))
	err := j.Write(record("b"))
	require.ErrorIs(t, err, errDisk)
	require.EqualError(t, err, "journal here: attempted of event b is not written, and nothing after it: disk is full")
	file.most = 10
	require.ErrorIs(t, j.Write(record("c")), errDisk)
	require.Equal(t, 2, file.writes)
	require.ErrorIs(t, j.Close(), errDisk)
	require.ErrorIs(t, j.Close(), errDisk)
}

func TestAFullDiskIsSaid(t *testing.T) {
	j, err := Open("/dev/full", "w")
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	require.ErrorContains(t, j.Write(record("a")), "no space left")
	require.ErrorContains(t, j.Close(), "no space left")
}

func TestAClosedJournalTakesNothing(t *testing.T) {
	j, _ := open(t, "w")
	require.NoError(t, j.Close())
	require.ErrorContains(t, j.Write(record("a")), "it is closed")
	require.Error(t, j.Close(), "a record was lost")
}

func TestOpenNeedsAWorkerAndAPlace(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "f"), "")
	require.ErrorContains(t, err, "the worker has no name")
	_, err = Open(filepath.Join(t.TempDir(), "none", "f"), "w")
	require.ErrorIs(t, err, os.ErrNotExist)
}
