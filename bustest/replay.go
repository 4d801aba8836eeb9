package bustest

import (
	"fmt"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var replaying = []test{
	{
		name:    "Replay/ByID",
		promise: "A letter is replayed by its ID, wherever it stands; afterwards it is gone, and a second replay says so.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(story("a", 5)...)
			w.heal()
			fifth := w.dead.list(dlq.Filter{})[4].ID
			k.is("replay", w.dead.ReplayOne(k.Context(), fifth, dlq.ReplayOptions{}), nil)
			equal(k, "events handled", w.worker.handled(1), []string{"a-5"})
			equal(k, "letters left", eventIDs(w.dead.list(dlq.Filter{})), ids(story("a", 4)))
			k.is("replay again", w.dead.ReplayOne(k.Context(), fifth, dlq.ReplayOptions{}), dlq.ErrNotFound)
			_, err := w.dead.Get(k.Context(), fifth)
			k.is("get", err, dlq.ErrNotFound)
		},
	},
	{
		name:    "Replay/SameEvent",
		promise: "A replayed event is the one that was published, in everything.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			e := order("a", 1).WithTenant("acme").WithVersion(3).WithCorrelation("c").WithMetadata("channel", "web").WithExtension("region", "eu")
			e.Source = "urn:shop"
			w := k.ward(e)
			w.heal()
			w.dead.replay(dlq.All, dlq.ReplayOptions{})
			alike(k, w.worker.good.wait(1)[0].event, e)
		},
	},
	{
		name:    "Replay/OnlyTheFailed",
		promise: "A replay reaches the subscriber that failed, and no other.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward()
			others := []*recorder{w.handle(eventbus.Subscriber{Name: "other"}, nil)}
			second := k.open(eventbus.Options{Group: "other-service"})
			others = append(others, second.handle(eventbus.Subscriber{}, nil))
			second.start()
			w.publish(order("a", 1))
			w.dead.one()
			w.heal()
			w.dead.replay(dlq.All, dlq.ReplayOptions{})
			equal(k, "events handled by the one that failed", w.worker.handled(1), []string{"a-1"})
			w.publish(order("a", 2))
			for _, r := range others {
				equal(k, "attempts of another", r.tried(2), []string{"a-1", "a-2"})
			}
		},
	},
	{
		name:    "Replay/FilterAndLimit",
		promise: "A replay takes what matches, at most so many, the oldest first; a dry run only counts.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1), shipped("a", 2), order("a", 3), order("a", 4))
			w.heal()
			created := dlq.Filter{Type: "order.created"}
			equal(k, "dry run", w.dead.replay(created, dlq.ReplayOptions{DryRun: true}), dlq.ReplayResult{Matched: 3})
			k.is("dry run by ID", w.dead.ReplayOne(k.Context(), w.dead.list(created)[0].ID, dlq.ReplayOptions{DryRun: true}), nil)
			equal(k, "letters after a dry run", w.dead.count(dlq.Filter{}), 4)
			equal(k, "letters replayed", w.dead.replay(created, dlq.ReplayOptions{Limit: 2}).Replayed, 2)
			equal(k, "events handled", w.worker.handled(2), []string{"a-1", "a-3"})
			equal(k, "letters left", eventIDs(w.dead.list(dlq.Filter{})), []string{"a-2", "a-4"})
			equal(k, "result of the rest", w.dead.replay(dlq.All, dlq.ReplayOptions{}), dlq.ReplayResult{Matched: 2, Replayed: 2})
			equal(k, "events handled", w.worker.handled(4), []string{"a-1", "a-3", "a-2", "a-4"})
		},
	},
	{
		name:    "Replay/Counted",
		promise: "What fails again after a replay is a new letter with one replay more; its attempts are counted anew.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Retry: k.retry(2)}, always(errTest))
			bus.publish(order("a", 1))
			q := bus.letters()
			first := q.one()
			q.replay(dlq.All, dlq.ReplayOptions{})
			got.ended.wait(4)
			second := q.one()
			equal(k, "replays and attempts in the letter", []int{second.Replays, second.Attempts}, []int{1, 2})
			equal(k, "origin", second.Origin, first.Origin)
			if second.ID == first.ID {
				k.Errorf("the new letter has the ID of the old one, %s", first.ID)
			}
			for i, want := range []string{"1 0", "2 0", "1 1", "2 1"} {
				d := got.ended.now()[i].delivery
				equal(k, "attempt and replays that the handler is told", fmt.Sprint(d.Attempt, d.Replays), want)
			}
		},
	},
	{
		name:    "Replay/Bound",
		promise: "A letter is not replayed more often than the bound allows, which is 5 times unless said otherwise, except by force.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1))
			for n := range 5 {
				w.dead.replay(dlq.All, dlq.ReplayOptions{})
				equal(k, "replays", w.dead.one().Replays, n+1)
			}
			last := w.dead.one().ID
			k.is("replay once more", w.dead.ReplayOne(k.Context(), last, dlq.ReplayOptions{}), dlq.ErrReplayBound)
			equal(k, "result", w.dead.replay(dlq.All, dlq.ReplayOptions{}), dlq.ReplayResult{Matched: 1, Bounded: 1})
			equal(k, "letter", w.dead.one().ID, last)
			w.heal()
			k.is("replay below a higher bound, dry", w.dead.ReplayOne(k.Context(), last, dlq.ReplayOptions{MaxReplays: 6, DryRun: true}), nil)
			k.is("replay by force", w.dead.ReplayOne(k.Context(), last, dlq.ReplayOptions{Force: true}), nil)
			equal(k, "events handled", w.worker.handled(1), []string{"a-1"})
		},
	},
	{
		name:    "Replay/ByAnotherInstance",
		promise: "Any instance of the service can replay a letter, also one that subscribes to nothing and was never started.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1))
			w.heal()
			tool := k.open(eventbus.Options{})
			tool.letters().replay(dlq.All, dlq.ReplayOptions{})
			equal(k, "events handled", w.worker.handled(1), []string{"a-1"})
			equal(k, "letters left", w.dead.count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Replay/WhileNobodyRuns",
		promise: "A replay needs no running subscriber: the event waits for the next one.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1))
			w.shutdown()
			tool := k.open(eventbus.Options{})
			tool.letters().replay(dlq.All, dlq.ReplayOptions{})
			_, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			equal(k, "events handled", got.handled(1), []string{"a-1"})
		},
	},
	{
		name:    "Replay/ClosedBus",
		promise: "A closed bus replays nothing and says so; the letter stays.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1))
			w.shutdown()
			_, err := w.dead.Replay(k.Context(), dlq.All, dlq.ReplayOptions{})
			k.is("replay", err, eventbus.ErrClosed)
			equal(k, "letters", eventIDs(k.open(eventbus.Options{}).letters().list(dlq.Filter{})), []string{"a-1"})
		},
	},
}
