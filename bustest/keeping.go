package bustest

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
)

var keeping = []test{
	{
		name:    "Backend/Retention",
		promise: "Events that all groups have acknowledged are trimmed to the bound; others never are.",
		needs:   []part{canKeep, canInject, retains},
		run: func(k *kit) {
			const bound = 10
			bus, busy := k.openKeeping(bound), k.gate()
			fast := bus.handle(eventbus.Subscriber{Name: "fast"}, nil)
			slow := bus.handle(eventbus.Subscriber{Name: "slow", Concurrency: 1}, busy.after("50"))
			all := k.aged(bus, 100)
			bus.start()
			equal(k, "events handled by the one", fast.handled(100), all)
			k.retained(all, all[49:])
			busy.open()
			equal(k, "events handled by the other", slow.handled(100), all)
			k.retained(all, all[100-bound:])
		},
	},
}

// aged puts so many events of one order into the topic that are old enough to go, and
// returns their IDs.
func (k *kit) aged(bus *bus, n int) (ids []string) {
	k.Helper()
	for i := range n {
		id := fmt.Sprint(i + 1)
		bus.inject("order", Foreign{Headers: envelope("ce_id", id), Body: []byte(`{"Number":1}`), Age: time.Hour})
		ids = append(ids, id)
	}
	return ids
}

// retained waits until the topic holds the events that are wanted and no others, which
// are the last ones. Until then it holds more.
func (k *kit) retained(all, want []string) {
	k.Helper()
	giveUp := time.Now().Add(k.backend.Patience)
	for {
		got := k.readAgain(all[len(all)-1])
		if len(got) <= len(want) || time.Now().After(giveUp) {
			equal(k, "events retained", got, want)
			return
		}
		k.pass(10 * k.unit()) // each look holds trimming up for a moment
	}
}

// readAgain returns what a new group is handed, up to the event that is known to be the
// last, and leaves nothing that it needs.
func (k *kit) readAgain(last string) []string {
	k.Helper()
	end := k.gate()
	name := fmt.Sprintf("reader-%d", len(k.buses))
	bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Name: name}, func(_ context.Context, e eventbus.DomainEvent) error {
		if e.ID == last {
			end.open()
		}
		return nil
	})
	k.await("the last event is read", end.way)
	bus.shutdown()
	return idsOf(got.good.now())
}
