package bustest

import (
	"errors"
	"time"

	"github.com/seed-28af575d/eventbus"
)

var resetting = []test{
	{
		name:    "Admin/ResetToNow",
		promise: "A group that is reset to now is handed nothing of what waited, of what was given back or of what was to be retried, and all that is published from then on.",
		needs:   []part{hasAdmin, hasInspector, hasLetters},
		run: func(k *kit) {
			s := eventbus.Subscriber{Unordered: true, Retry: eventbus.RetryPolicy{Attempts: 2, Min: k.long(), Max: k.long()}}
			bus, got := k.running(eventbus.Options{}, s, failing("a-2"))
			bus.publish(order("a", 1), order("a", 2))
			bus.shows(inspected(0, eventbus.Backlog{Delayed: 1}))
			got.stop()
			bus.publish(order("a", 3))
			tool := k.open(eventbus.Options{})
			k.is("reset", tool.administrator().ResetGroup(k.Context(), k.group()+".worker", eventbus.Now()), nil)
			tool.shows(inspected(0, eventbus.Backlog{}))
			bus.publish(order("a", 4))
			again := bus.handle(s, nil)
			equal(k, "events handled afterwards", again.handled(1), []string{"a-4"})
		},
	},
	{
		name:    "Admin/ResetBack",
		promise: "A group that is reset to the beginning or to a time is handed everything from there on again, with all its attempts.",
		needs:   []part{hasAdmin, retains},
		run: func(k *kit) {
			s := eventbus.Subscriber{Unordered: true}
			bus, got := k.running(eventbus.Options{}, s, failingFirst(1, "a-1", "a-2"))
			bus.publish(order("a", 1))
			k.pass(2 * k.unit())
			since := time.Now()
			k.pass(2 * k.unit())
			bus.publish(order("a", 2))
			got.handled(2)
			got.stop()
			for _, from := range []struct {
				eventbus.Start
				want []string
			}{
				{eventbus.Beginning(), []string{"a-1", "a-2"}},
				{eventbus.At(since), []string{"a-2"}},
			} {
				k.is("reset", bus.administrator().ResetGroup(k.Context(), k.group()+".worker", from.Start), nil)
				again := bus.handle(s, failingFirst(1, "a-1", "a-2"))
				equal(k, "events handled again", sorted(again.handled(len(from.want))), from.want)
				equal(k, "attempts", len(again.ended.now()), 2*len(from.want))
				again.stop()
			}
		},
	},
	{
		name:    "Admin/ResetRefused",
		promise: "A group that has a member, of any instance, or that does not exist is not reset, nor to what the backend does not retain, and the error says so.",
		needs:   []part{hasAdmin},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			tool := k.open(eventbus.Options{}).administrator()
			for _, group := range []string{k.group() + ".worker", k.group() + ".nobody", ""} {
				k.is("reset "+group, tool.ResetGroup(k.Context(), group, eventbus.Now()), eventbus.ErrInvalid)
			}
			bus.publish(orders(2, 3)...)
			inOrder(k, got.handled(6), orders(2, 3))
			if k.backend.Capabilities.Retains {
				return
			}
			got.stop()
			for _, from := range []eventbus.Start{eventbus.Beginning(), eventbus.At(time.Now())} {
				err := tool.ResetGroup(k.Context(), k.group()+".worker", from)
				k.is("reset to what is not retained", err, errors.ErrUnsupported)
			}
		},
	},
}
