package integration_test

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/oracle"
)

// span is a time in which the bus must work: something is published in it, and handled.
type span struct {
	from, to time.Time
	fresh    time.Time // what was attempted before does not count
	why      string
}

// recovers is how long the bus may take to work again when a fault is over. In the short form
// it shares the processors with other tests, and with their servers.
func recovers(k broker.Kind) time.Duration {
	r := 15 * time.Second
	if k == broker.Redis {
		r = 5 * time.Second
	}
	if testing.Short() {
		r *= 2
	}
	return r
}

// healed says that a fault is over: the bus works again within its time.
func (l *load) healed() {
	now := time.Now()
	l.spans = append(l.spans, span{now, now.Add(recovers(l.server.Kind)), now, "after a fault"})
}

// fewWait is less than what is handled in a moment.
const fewWait = 100

// through lets a fault come and pass, and waits until the bus works again: the next would come
// too early. What is published meanwhile is on top of the load, and little, and what was published
// before is handled by then: how long a busy machine takes for it is no matter of the fault.
func (l *load) through(f func()) {
	l.t.Helper()
	before := l.published.Load()
	l.onAndOn.Store(true)
	l.soon("what was published is handled", func() bool { return l.backlog() < fewWait })
	f()
	l.healed()
	again := l.spans[len(l.spans)-1]
	var first []eventbus.DomainEvent // to be stored again
	for ; !l.handlesAny(first); l.lasts(50 * time.Millisecond) {
		if batch := l.stored.Load(); len(first) == 0 && batch != nil && batch.began.After(again.fresh) {
			first = batch.events
		}
		require.False(l.t, time.Now().After(again.to), "the bus does not work again")
	}
	l.onTop.Add(l.published.Load() - before)
	l.onAndOn.Store(false)
}

// handlesAny reports whether any of the events was handled. It is quicker than to read the
// journals, which would hold up what publishes here.
func (l *load) handlesAny(events []eventbus.DomainEvent) bool {
	l.t.Helper()
	if len(events) == 0 {
		return false
	}
	for _, path := range l.paths {
		if !strings.HasSuffix(path, "serve") {
			continue
		}
		b, err := os.ReadFile(path)
		require.NoError(l.t, err)
		for line := range bytes.Lines(b) {
			if !bytes.Contains(line, []byte(`"what":"handled"`)) {
				continue
			}
			for _, e := range events {
				if bytes.Contains(line, []byte(e.ID)) {
					return true
				}
			}
		}
	}
	return false
}

// works says that the bus must have worked since from, under whatever fault.
func (l *load) works(from time.Time) {
	l.spans = append(l.spans, span{from, time.Now(), time.Time{}, "under a fault"})
}

// judge waits until the oracle is content, or for the patience, and returns its
// report, of which all else is in order.
func (l *load) judge() oracle.Report {
	l.t.Helper()
	e, report := l.evidence(func(r oracle.Report) bool { return r.Err() == nil })
	if report.Err() == nil {
		l.inTime(e.Log)
		l.onlyFatal(e.Letters)
	}
	return report
}

// evidence waits until what was found pleases, or for the patience.
func (l *load) evidence(pleases func(oracle.Report) bool) (e oracle.Evidence, report oracle.Report) {
	l.t.Helper()
	l.publishing.Wait()
	for deadline := time.Now().Add(loadPatience); ; l.lasts(200 * time.Millisecond) {
		log, err := journal.Read(l.paths...)
		require.NoError(l.t, err)
		e = oracle.Evidence{Log: log, Letters: l.letters(), Cuts: l.cuts, Subscribers: []oracle.Subscriber{l.subscriber()}}
		report = oracle.Check(e)
		if pleases(report) || time.Now().After(deadline) {
			l.t.Logf("%s", report)
			return e, report
		}
	}
}

// subscriber is what the oracle is told of it. A slow machine may cost leases without any
// fault, of one window at most. Kafka, where a partition has one process, is held to the order of all
// of them together.
func (l *load) subscriber() oracle.Subscriber {
	order := oracle.EachProcess
	if l.server.Kind == broker.Kafka {
		order = oracle.Everywhere
	}
	return oracle.Subscriber{
		Name: loadGroup + "." + loadName, Events: []string{"#"}, Order: order,
		Repeats: l.inFlight + loadWindow, Needs: l.options.needs, Foreign: l.foreign,
	}
}

// onlyFatal: no event became a letter that the handler did not refuse for good, not by crashes
// nor by whatever the fault was.
func (l *load) onlyFatal(letters []dlq.Letter) {
	l.t.Helper()
	for i := range letters {
		if x := &letters[i]; x.EventID != "" {
			require.True(l.t, fatal(x.Body, l.options.fatal), "letter of %s: %s %v", x.EventID, x.Reason, x.Errors)
			require.Equal(l.t, dlq.HandlerError, x.Reason)
			require.Zero(l.t, x.Replays)
		}
	}
}

// inTime: every Publish ended in its time, and the bus worked where it must.
func (l *load) inTime(log journal.Log) {
	l.t.Helper()
	attempted := map[string]time.Time{}
	worked := make([]struct{ published, handled bool }, len(l.spans))
	for i := range log.Records {
		r := &log.Records[i]
		switch r.What {
		case journal.Attempted:
			attempted[r.EventID] = r.At()
		case journal.Published, journal.Refused, journal.Unknown:
			require.Less(l.t, r.At().Sub(attempted[r.EventID]), loadPublishing+time.Second, "the publish of %s, %s", r.EventID, r.What)
		}
	}
	for i := range log.Records { // of other processes too, in any order
		r := &log.Records[i]
		for k, s := range l.spans {
			if at := r.At(); at.After(s.from) && !at.After(s.to) && attempted[r.EventID].After(s.fresh) {
				worked[k].published = worked[k].published || r.What == journal.Published
				worked[k].handled = worked[k].handled || r.What == journal.Handled
			}
		}
	}
	for k, s := range l.spans {
		told := fmt.Sprintf("%s, from %s to %s", s.why, s.from.Format(time.TimeOnly), s.to.Format(time.TimeOnly))
		require.True(l.t, worked[k].published, "nothing was published %s", told)
		require.True(l.t, worked[k].handled, "nothing was handled %s", told)
	}
}

// letters are listed as soon as they can be: a fault may have passed a moment ago.
func (l *load) letters() []dlq.Letter {
	l.t.Helper()
	q, ok := dlq.Of(l.bus)
	require.True(l.t, ok)
	for deadline := time.Now().Add(recovers(l.server.Kind)); ; l.lasts(100 * time.Millisecond) {
		letters, err := listed(q.List(l.t.Context(), dlq.Filter{}))
		if err == nil || time.Now().After(deadline) {
			require.NoError(l.t, err)
			return letters
		}
	}
}

func listed(all iter.Seq2[dlq.Letter, error]) (letters []dlq.Letter, err error) {
	for letter, err := range all {
		if err != nil {
			return nil, err
		}
		letters = append(letters, letter)
	}
	return letters, nil
}
