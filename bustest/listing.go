package bustest

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var listing = []test{
	{
		name:    "Letters/Pages",
		promise: "Letters are listed oldest first, a page at a time: of 5, two by two, there are 2, 2 and 1.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			q := k.ward(story("a", 5)...).dead
			var pages [][]string
			for after, more := "", true; more; more = after != "" {
				p, err := q.Page(k.Context(), dlq.Filter{}, after, 2)
				if err != nil {
					k.Fatalf("page: %v", err)
				}
				if len(p.Letters) > 0 {
					pages = append(pages, eventIDs(p.Letters))
				}
				after = p.Next
			}
			equal(k, "pages", pages, [][]string{{"a-1", "a-2"}, {"a-3", "a-4"}, {"a-5"}})
		},
	},
	{
		name:    "Letters/LookingChangesNothing",
		promise: "Looking at letters changes neither them nor their order, and takes nothing from a replay.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(story("a", 5)...)
			before := w.dead.list(dlq.Filter{})
			for range 3 {
				for i, l := range w.dead.list(dlq.Filter{}) {
					equal(k, "letter", l, before[i])
				}
				if l, err := w.dead.Get(k.Context(), before[2].ID); err != nil || l.EventID != "a-3" {
					k.Errorf("get: %s, %v", l.EventID, err)
				}
				equal(k, "letters", w.dead.count(dlq.Filter{}), 5)
			}
			w.heal()
			equal(k, "letters replayed", w.dead.replay(dlq.All, dlq.ReplayOptions{}).Replayed, 5)
			equal(k, "events handled", w.worker.handled(5), ids(story("a", 5)))
		},
	},
	{
		name:    "Letters/NoneAtOnce",
		promise: "Where there is no letter, or none more, the listing says so at once and waits for none.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1))
			begun := time.Now()
			equal(k, "letters", len(w.dead.list(dlq.Filter{})), 1)
			equal(k, "letters of another subscriber", len(w.dead.list(dlq.Filter{Subscriber: "other"})), 0)
			p, err := w.dead.Page(k.Context(), dlq.Filter{}, "", 1000)
			k.is("page", err, nil)
			equal(k, "letters on the page, and cursor of the next", fmt.Sprint(len(p.Letters), p.Next), "1")
			empty := k.open(eventbus.Options{Group: "empty"}).letters()
			equal(k, "letters of another group", len(empty.list(dlq.Filter{})), 0)
			k.quick("listing", time.Since(begun))
		},
	},
	{
		name:    "Letters/NotFound",
		promise: "Getting or replaying a letter that is not there says so; discarding it counts nothing.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			q := k.ward(order("a", 1)).dead
			for _, id := range []string{"", "no such letter", dlq.NewID("a", "b", "c", "d", 0)} {
				_, err := q.Get(k.Context(), id)
				k.is("get", err, dlq.ErrNotFound)
				k.is("replay", q.ReplayOne(k.Context(), id, dlq.ReplayOptions{}), dlq.ErrNotFound)
				n, err := q.Discard(k.Context(), id)
				k.is("discard", err, nil)
				equal(k, "letters discarded", n, 0)
			}
			equal(k, "letters", q.count(dlq.Filter{}), 1)
		},
	},
	{
		name:    "Letters/Filters",
		promise: "Letters are found by type, aggregate, tenant, subscriber, reason, time of failure and text.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1).WithTenant("acme"), shipped("a", 2), invoice("b", 3).WithTenant("umbrella"))
			all := w.dead.list(dlq.Filter{})
			k.pass(k.unit())
			since := time.Now()
			w.publish(order("c", 4))
			w.dead.wait(4, dlq.Filter{})
			for _, c := range []struct {
				filter dlq.Filter
				want   []string
			}{
				{dlq.Filter{Type: "order.created"}, []string{"a-1", "c-4"}},
				{dlq.Filter{Type: "*.created"}, []string{"a-1", "invoice-b-3", "c-4"}},
				{dlq.Filter{AggregateType: "order", AggregateID: "a"}, []string{"a-1", "a-2"}},
				{dlq.Filter{TenantID: "umbrella"}, []string{"invoice-b-3"}},
				{dlq.Filter{Subscriber: "worker", Group: k.group()}, []string{"a-1", "a-2", "invoice-b-3", "c-4"}},
				{dlq.Filter{Subscriber: "nobody"}, nil},
				{dlq.Filter{Reason: dlq.HandlerError, AggregateID: "b"}, []string{"invoice-b-3"}},
				{dlq.Filter{Reason: dlq.Panic}, nil},
				{dlq.Filter{Before: since}, []string{"a-1", "a-2", "invoice-b-3"}},
				{dlq.Filter{After: since}, []string{"c-4"}},
				{dlq.Filter{Text: "OWN ERROR", Type: "invoice.#"}, []string{"invoice-b-3"}},
				{dlq.Filter{Text: `"number":2`}, []string{"a-2"}},
				{dlq.Filter{Text: "no such text"}, nil},
				{dlq.Filter{IDs: []string{all[2].ID, all[0].ID, "unknown"}}, []string{"a-1", "invoice-b-3"}},
				{dlq.All, []string{"a-1", "a-2", "invoice-b-3", "c-4"}},
			} {
				equal(k, "letters that match "+show(c.filter), eventIDs(w.dead.list(c.filter)), append([]string{}, c.want...))
				equal(k, "letters counted that match "+show(c.filter), w.dead.count(c.filter), len(c.want))
			}
		},
	},
	{
		name:    "Letters/BadArguments",
		promise: "Bad arguments of the dead letters' methods are refused by field, and change nothing.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			q := k.ward(order("a", 1)).dead
			bad := dlq.Filter{Reason: "no reason", Type: "a b", After: time.Now(), Before: time.Now().Add(-time.Hour)}
			_, err := q.Count(k.Context(), bad)
			k.is("count", err, eventbus.ErrInvalid)
			k.says("count", err, "reason: ", "type: ", "after: ")
			_, err = q.Page(k.Context(), dlq.Filter{}, "", -1)
			k.is("page", err, eventbus.ErrInvalid)
			_, err = q.Page(k.Context(), dlq.Filter{}, "no cursor of yours", 1)
			k.is("page", err, eventbus.ErrInvalid)
			_, err = q.Replay(k.Context(), dlq.All, dlq.ReplayOptions{Limit: -1})
			k.is("replay", err, eventbus.ErrInvalid)
			_, err = q.Replay(k.Context(), dlq.Filter{}, dlq.ReplayOptions{})
			k.is("replay everything without saying so", err, eventbus.ErrInvalid)
			_, err = q.Purge(k.Context(), dlq.Filter{})
			k.is("purge everything without saying so", err, eventbus.ErrInvalid)
			equal(k, "letters", q.count(dlq.Filter{}), 1)
		},
	},
	{
		name:    "Letters/Discard",
		promise: "Discarding deletes the letters named, and says how many there were.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			q := k.ward(story("a", 4)...).dead
			all := letterIDs(q.list(dlq.Filter{}))
			n, err := q.Discard(k.Context(), all[1], all[3], all[1], "unknown")
			k.is("discard", err, nil)
			equal(k, "letters discarded", n, 2)
			equal(k, "letters left", letterIDs(q.list(dlq.Filter{})), slices.Delete(slices.Clone(all[:3]), 1, 2))
		},
	},
	{
		name:    "Letters/Purge",
		promise: "Purging deletes what matches, says how many there were, and leaves other subscribers and services alone.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			mine := k.ward(order("a", 1), shipped("a", 2), order("a", 3))
			other := k.open(eventbus.Options{Group: "other-service"})
			other.handle(eventbus.Subscriber{From: eventbus.Now()}, always(eventbus.Permanent(errTest)))
			other.start()
			mine.publish(order("a", 4))
			theirs := other.letters()
			theirs.wait(1, dlq.Filter{})
			mine.dead.wait(4, dlq.Filter{})
			n, err := mine.dead.Purge(k.Context(), dlq.Filter{Type: "order.shipped"})
			equal(k, "letters purged by type", fmt.Sprint(n, err), "1 <nil>")
			n, err = mine.dead.Purge(k.Context(), dlq.All)
			equal(k, "letters purged then", fmt.Sprint(n, err), "3 <nil>")
			equal(k, "letters left", mine.dead.count(dlq.Filter{}), 0)
			equal(k, "letters of the other service", eventIDs(theirs.list(dlq.Filter{})), []string{"a-4"})
		},
	},
	{
		name:    "Letters/Trim",
		promise: "Trimming deletes the oldest letters beyond the bounds, and reports each before; what its report refuses stays.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1), order("b", 2), order("c", 3), order("d", 4))
			all := eventIDs(w.dead.list(dlq.Filter{}))
			var told []string
			report := func(l dlq.Letter) error {
				if told = append(told, l.EventID); l.EventID == all[1] {
					return errTest
				}
				return nil
			}
			n, err := w.dead.Trim(k.Context(), dlq.All, dlq.Bounds{Age: time.Hour, Length: 4, Report: report})
			equal(k, "letters trimmed, where none are too many", fmt.Sprint(n, err), "0 <nil>")
			n, err = w.dead.Trim(k.Context(), dlq.All, dlq.Bounds{Length: 1, Report: report})
			k.is("trim", err, errTest)
			equal(k, "letters trimmed, until it was refused", n, 1)
			equal(k, "letters reported", told, all[:2])
			n, err = w.dead.Trim(k.Context(), dlq.All, dlq.Bounds{Length: 2})
			equal(k, "letters trimmed by length", fmt.Sprint(n, err), "1 <nil>")
			equal(k, "letters left", eventIDs(w.dead.list(dlq.Filter{})), all[2:])
			k.soon("letters trimmed by age", func() bool {
				_, err = w.dead.Trim(k.Context(), dlq.All, dlq.Bounds{Age: time.Nanosecond})
				return err == nil && w.dead.count(dlq.Filter{}) == 0
			})
		},
	},
	{
		name:    "Letters/OwnGroupsOnly",
		promise: "A queue shows and replays the letters of its own bus's groups, and no others.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1))
			id := w.dead.one().ID
			stranger := k.open(eventbus.Options{Group: "other-service"}).letters()
			_, err := stranger.Get(k.Context(), id)
			k.is("get", err, dlq.ErrNotFound)
			k.is("replay", stranger.ReplayOne(k.Context(), id, dlq.ReplayOptions{}), dlq.ErrNotFound)
			n, err := stranger.Purge(k.Context(), dlq.Filter{Group: k.group()})
			equal(k, "letters purged", fmt.Sprint(n, err), "0 <nil>")
			res, err := stranger.Replay(k.Context(), dlq.All, dlq.ReplayOptions{})
			equal(k, "letters matched by a replay", fmt.Sprint(res.Matched, err), "0 <nil>")
			equal(k, "letters", w.dead.count(dlq.Filter{}), 1)
		},
	},
}
