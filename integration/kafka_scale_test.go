package integration_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/process"
)

// onKafka is a load on a broker of the test's own.
func onKafka(t *testing.T, o loadOptions) *load {
	t.Helper()
	return newLoad(t, broker.Start(t, broker.Kafka, broker.Options{}).Server, o)
}

// Under load one process joins at 30 %, one leaves at 60 %, and one is killed at 80 %.
func TestKafkaScalesUpAndDown(t *testing.T) {
	t.Parallel()
	l := onKafka(t, loadOptions{events: 20_000, pace: 40 * time.Millisecond})
	l.serve()
	l.publish()
	l.until(30)
	l.serve()
	l.until(60)
	require.NoError(t, l.workers[0].Stop())
	third := l.serve()
	l.until(80)
	l.fault(l.workers[1].Kill)
	require.NoError(t, l.judge().Err())
	l.repeatsOnlyOf(l.workers[1])
	l.alone()
	require.NoError(t, third.Stop())
}

// Order holds across the processes of a group, two and then four, whichever come, go and are killed while there is
// work: no event of an aggregate is handled before an earlier one, or while another one is, and what was handled is
// handled again only where its process was killed.
func TestKafkaOrderAcrossProcesses(t *testing.T) {
	t.Parallel()
	l := onKafka(t, loadOptions{events: 1, fatal: 1}) // and more until all is over
	l.onAndOn.Store(true)
	l.serve()
	l.serve()
	l.publish()
	var killed []*process.Worker
	for range scaledTimes(5) - 1 {
		for len(l.running()) < 4 {
			l.lasts(500 * time.Millisecond)
			l.serve()
		}
		l.lasts(500 * time.Millisecond)
		require.NoError(t, l.running()[0].Stop())
		l.lasts(500 * time.Millisecond)
		l.serve()
		l.lasts(500 * time.Millisecond)
		killed = append(killed, l.running()[0])
		l.fault(killed[len(killed)-1].Kill)
		require.NoError(t, l.running()[0].Stop()) // while nobody knows yet
		l.lasts(scaled(10 * time.Second))
	}
	l.onAndOn.Store(false)
	report := l.judge()
	require.NoError(t, report.Err())
	require.Zero(t, report.Published.Unknown+report.Published.Refused)
	l.repeatsOnlyOf(killed...)
	l.alone()
	l.stop()
}

// repeatsOnlyOf: what was handled again had been handled by one of those, which were killed, and that one
// alone.
func (l *load) repeatsOnlyOf(killed ...*process.Worker) {
	l.t.Helper()
	handled := map[string][]journal.Record{}
	for _, r := range l.attempts() {
		if r.What == journal.Handled {
			handled[r.EventID] = append(handled[r.EventID], r)
		}
	}
	repeats := 0
	for _, of := range handled {
		repeats += len(of) - 1
		for _, r := range of[:len(of)-1] {
			require.True(l.t, slices.ContainsFunc(killed, func(w *process.Worker) bool { return w.PID() == r.PID }),
				"%s was handled by process %d, which was not killed, and again: %s", r.EventID, r.PID, told(of))
		}
	}
	l.t.Logf("%d repeats of what %d killed processes had handled", repeats, len(killed))
}

// alone: of an aggregate one event at a time was handled, in all processes.
func (l *load) alone() {
	l.t.Helper()
	last := map[string]journal.Record{}
	for _, r := range l.attempts() {
		before, known := last[r.AggregateID]
		if known {
			require.GreaterOrEqual(l.t, r.Began, before.Time, "two of an aggregate at once: %s", told([]journal.Record{before, r}))
		}
		last[r.AggregateID] = r
	}
}

// attempts are those that have ended, by their beginning.
func (l *load) attempts() (ended []journal.Record) {
	l.t.Helper()
	log, err := journal.Read(l.paths...)
	require.NoError(l.t, err)
	for i := range log.Records {
		if r := log.Records[i]; r.What == journal.Handled || r.What == journal.Failed {
			ended = append(ended, r)
		}
	}
	slices.SortFunc(ended, func(a, b journal.Record) int { return cmp.Compare(a.Began, b.Began) })
	return ended
}

func told(records []journal.Record) (out string) {
	for i := range records {
		r := &records[i]
		began := time.Unix(0, r.Began).Format("15:04:05.000000")
		out += fmt.Sprintf("\n%s %s of %s, attempt %d by process %d, from %s to %s", r.What, r.EventID, r.AggregateID, r.Attempt, r.PID, began, r.At().Format("05.000000"))
	}
	return out
}
