package bustest

import (
	"errors"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
)

var hurts = []test{
	{
		name:    "Publish/UnknownOutcome",
		promise: "An event whose confirmation is lost on the way is reported as unknown, never as stored or refused, and is not sent again.",
		needs:   []part{canLoseReply},
		run: func(k *kit) {
			w := k.witness()
			bus, got := k.running(eventbus.Options{Observer: w.observer()}, eventbus.Subscriber{}, nil)
			bus.publish(order("a", 1))
			equal(k, "events handled", got.handled(1), []string{"a-1"})
			k.space.LoseReply()
			err := bus.Publish(k.Context(), order("a", 2))
			k.is("publish", err, eventbus.ErrUnknown)
			k.is("the outcome observed", w.published.wait(2)[1].Err, eventbus.ErrUnknown)
			if errors.Is(err, eventbus.ErrRefused) {
				k.Errorf("what may have been stored is said to be refused: %v", err)
			}
			bus.publish(order("a", 3))
			equal(k, "events handled", got.handled(3), []string{"a-1", "a-2", "a-3"})
		},
	},
	{
		name:    "Connection/Killed",
		promise: "After a cut connection publisher and subscribers go on by themselves; the reconnection is told and counted, and no event is lost.",
		needs:   []part{canCut, hasInspector},
		run:     killed,
	},
	{
		name:    "Backend/Emptied",
		promise: "When streams, queues or groups are deleted beneath a running bus, they are made again and handling goes on.",
		needs:   []part{canDelete},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.publish(order("before", 1))
			equal(k, "events handled", got.handled(1), []string{"before-1"})
			for _, what := range sortedKeys(k.space.Delete) {
				k.delete(what)
				k.goesOn(bus, got, what)
			}
		},
	},
}

// killed cuts the connections while a handler runs, the reader waits and events are
// being published.
func killed(k *kit) {
	w, busy := k.witness(), k.gate()
	bus, got := k.running(eventbus.Options{Observer: w.observer()}, eventbus.Subscriber{}, busy.after("a0-1"))
	all := orders(5, 20)
	published := k.going(func() {
		for _, e := range all {
			if err := bus.Publish(k.Context(), e); err != nil && !errors.Is(err, eventbus.ErrUnknown) {
				k.Errorf("publish %s: %v", e.ID, err)
			}
		}
	})
	got.began.wait(1)
	w.published.wait(20)
	k.space.Cut()
	busy.open()
	k.await("all is published", published)
	bus.publish(order("late", 1))
	for _, p := range w.published.now() {
		if p.Err == nil {
			k.soon(p.Event.ID+" is handled", func() bool { return slices.Contains(idsOf(got.good.now()), p.Event.ID) })
		}
	}
	k.reconnected(bus, w)
}

// reconnected waits until the worker's reconnection is told and counted, which may be
// several where it has several sources. The connection may have been lost just as nothing
// was asked of it, and is then replaced before anything fails: so it is lost again.
func (k *kit) reconnected(bus *bus, w *witness) {
	k.Helper()
	told := func() (n uint64) {
		for _, r := range w.restored.now() {
			if r.Subscriber == "worker" {
				n++
			}
		}
		return n
	}
	cut := time.Now()
	k.soon("a reconnection is told", func() bool {
		if time.Since(cut) > k.backend.Patience/10 {
			cut = time.Now()
			k.space.Cut()
		}
		return told() > 0
	})
	k.soon("as many reconnections are counted as told", func() bool {
		_, s := bus.stats("worker")
		return s.Reconnections == told()
	})
	for _, r := range w.restored.now() {
		if r.Tries == 0 || r.Err == nil {
			k.Errorf("observed a reconnection after %d tries, for %v", r.Tries, r.Err)
		}
	}
}

// delete has something deleted on the broker.
func (k *kit) delete(what string) {
	k.Helper()
	ctx, cancel := k.within(k.backend.Patience)
	defer cancel()
	if err := k.space.Delete[what](ctx); err != nil {
		k.Fatalf("delete %s: %v", what, err)
	}
}

// goesOn publishes until something of that is handled. Where events are retained, the
// first one is: the group that is made again begins with it. Elsewhere there may be
// nobody yet to whom it could go.
func (k *kit) goesOn(bus *bus, got *recorder, what string) {
	k.Helper()
	var sent []string
	k.soon("handling goes on without the "+what, func() bool {
		if len(sent) == 0 || !k.backend.Capabilities.Retains {
			e := order(what, len(sent)+1)
			bus.publish(e)
			sent = append(sent, e.ID)
		}
		return slices.ContainsFunc(idsOf(got.good.now()), func(id string) bool { return slices.Contains(sent, id) })
	})
}
