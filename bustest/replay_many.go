package bustest

import (
	"context"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// fullWard is a ward with the letters of so many events, of 10 orders.
func (k *kit) fullWard(n int) *ward {
	k.Helper()
	w := k.ward()
	w.publish(orders(10, n/10)...)
	w.dead.wait(n, dlq.Filter{})
	return w
}

var replayingMany = []test{
	{
		name:    "Replay/AllWhileStillFailing",
		promise: "Replaying everything while the handler still fails ends: each letter comes back once, with one replay more.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			n := k.many(5000)
			w := k.fullWard(n)
			equal(k, "result", w.dead.replay(dlq.All, dlq.ReplayOptions{}), dlq.ReplayResult{Matched: n, Replayed: n})
			again := w.dead.wait(n, dlq.Filter{})
			for _, l := range again {
				if l.Replays != 1 {
					k.Fatalf("the letter of %s was replayed %d times", l.EventID, l.Replays)
				}
			}
			equal(k, "letters, sorted", sorted(eventIDs(again)), sorted(ids(orders(10, n/10))))
			w.heal()
			w.publish(order("last", 1))
			equal(k, "events handled", w.worker.handled(1), []string{"last-1"})
			equal(k, "attempts", len(w.worker.ended.now()), 2*n+1)
		},
	},
	{
		name:    "Replay/Cancelled",
		promise: "A replay that is cancelled in the middle loses nothing: every event was handled or is still a letter.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			n := k.many(500)
			w := k.fullWard(n)
			w.heal()
			ctx, cancel := context.WithCancel(k.Context())
			defer cancel()
			res, err := w.dead.Replay(ctx, dlq.All, dlq.ReplayOptions{Progress: func(r dlq.ReplayResult) {
				if r.Replayed == n/4 {
					cancel()
				}
			}})
			k.is("replay", err, context.Canceled)
			k.says("replay", err, "stopped with")
			done := w.worker.handled(res.Replayed)
			left := eventIDs(w.dead.list(dlq.Filter{}))
			equal(k, "events handled and letters left, sorted", sorted(append(done, left...)), sorted(ids(orders(10, n/10))))
			equal(k, "letters replayed", res.Replayed, n/4)
		},
	},
	{
		name:    "Replay/Concurrently",
		promise: "When several callers replay the same letters at once, each letter is taken by one of them.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			n := k.many(500)
			w := k.fullWard(n)
			w.heal()
			queues := []*letters{w.dead, k.open(eventbus.Options{}).letters()}
			var replayed atomic.Int64
			k.together("every replay", 6, func(i int) {
				res, err := queues[i%2].Replay(k.Context(), dlq.All, dlq.ReplayOptions{})
				if err != nil || res.Failed > 0 || res.Matched != res.Replayed+res.Taken+res.Gone {
					k.Errorf("replay: %+v, %v", res, err)
				}
				replayed.Add(int64(res.Replayed))
			})
			equal(k, "letters replayed by all", int(replayed.Load()), n)
			equal(k, "events handled, sorted", sorted(w.worker.handled(n)), sorted(ids(orders(10, n/10))))
			equal(k, "letters left", w.dead.count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Letters/DiscardedWhileReplayed",
		promise: "Purging while others replay takes nothing twice: a letter is either purged or replayed.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			n := k.many(500)
			w := k.fullWard(n)
			w.heal()
			k.together("replay and purge", 2, func(i int) {
				var err error
				if i == 0 {
					_, err = w.dead.Replay(k.Context(), dlq.All, dlq.ReplayOptions{})
				} else {
					_, err = w.dead.Purge(k.Context(), dlq.Filter{AggregateID: "a3"})
				}
				if err != nil {
					k.Errorf("replay and purge at once: %v", err)
				}
			})
			equal(k, "letters left", w.dead.count(dlq.Filter{}), 0)
			w.publish(order("last", 1))
			k.soon("the others are handled", func() bool { return len(w.worker.good.now()) > n*9/10 })
		},
	},
}
