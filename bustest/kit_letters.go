package bustest

import (
	"context"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// letters are the dead letters of an instance.
type letters struct {
	*dlq.Queue
	k *kit
}

// list returns the letters that match, oldest first.
func (l *letters) list(f dlq.Filter) []dlq.Letter {
	l.k.Helper()
	var all []dlq.Letter
	for letter, err := range l.List(l.k.Context(), f) {
		if err != nil {
			l.k.Fatalf("list letters: %v", err)
		}
		all = append(all, letter)
	}
	return all
}

// count returns how many letters match.
func (l *letters) count(f dlq.Filter) int {
	l.k.Helper()
	n, err := l.Count(l.k.Context(), f)
	if err != nil {
		l.k.Fatalf("count letters: %v", err)
	}
	return n
}

// wait waits until n letters match, and returns them, oldest first. More are a
// failure.
func (l *letters) wait(n int, f dlq.Filter) []dlq.Letter {
	l.k.Helper()
	l.k.soon("the letters are there", func() bool { return l.count(f) >= n })
	all := l.list(f)
	if len(all) != n {
		l.k.Fatalf("there are %d letters, not %d: %v", len(all), n, eventIDs(all))
	}
	return all
}

// one waits for the only letter.
func (l *letters) one() dlq.Letter {
	l.k.Helper()
	return l.wait(1, dlq.Filter{})[0]
}

// replay replays what matches, to the end.
func (l *letters) replay(f dlq.Filter, o dlq.ReplayOptions) dlq.ReplayResult {
	l.k.Helper()
	res, err := l.Replay(l.k.Context(), f, o)
	if err != nil || res.Failed > 0 {
		l.k.Fatalf("replay: %v, %v", err, res.Errors)
	}
	return res
}

func eventIDs(all []dlq.Letter) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].EventID
	}
	return out
}

func letterIDs(all []dlq.Letter) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].ID
	}
	return out
}

// ward is a bus whose worker refuses every event for good until it is healed.
type ward struct {
	*bus
	worker *recorder
	dead   *letters
	healed atomic.Bool
}

func (w *ward) heal() { w.healed.Store(true) }

// ward opens one and waits for the letters of the events, which come in the order
// of the events.
func (k *kit) ward(events ...eventbus.DomainEvent) *ward {
	k.Helper()
	w := &ward{}
	w.bus, w.worker = k.running(eventbus.Options{}, eventbus.Subscriber{Concurrency: 1}, func(context.Context, eventbus.DomainEvent) error {
		if w.healed.Load() {
			return nil
		}
		return eventbus.Permanent(errTest)
	})
	w.dead = w.letters()
	for i, e := range events {
		w.publish(e)
		w.dead.wait(i+1, dlq.Filter{})
	}
	return w
}
