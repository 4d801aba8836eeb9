package bustest

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// inspector tells how the backend is, or ends the case.
func (b *bus) inspector() eventbus.Inspector {
	b.k.Helper()
	i, ok := eventbus.As[eventbus.Inspector](b.EventBus)
	if !ok {
		b.k.Fatalf("the bus cannot tell how its backend is")
	}
	return i
}

// look returns how far the worker's group is.
func (b *bus) look() eventbus.GroupInfo {
	b.k.Helper()
	info, err := b.inspector().Group(b.k.Context(), b.k.group()+".worker")
	if err != nil {
		b.k.Fatalf("look at the group: %v", err)
	}
	return info
}

// counts shows the numbers of the group, and "?" for those that the backend does not know.
func counts(g eventbus.GroupInfo) string {
	show := func(n int) string {
		if n < 0 {
			return "?"
		}
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("lag %s, pending %s, delayed %s, letters %s", show(g.Lag), show(g.Pending), show(g.Delayed), show(g.Letters))
}

// shows waits until the numbers of the worker's group are these, as far as the backend
// knows them.
func (b *bus) shows(want eventbus.GroupInfo) (got eventbus.GroupInfo) {
	b.k.Helper()
	b.k.soon("the group shows "+counts(want), func() bool {
		got = b.look()
		known := want
		for _, n := range []struct{ got, want *int }{
			{&got.Lag, &known.Lag}, {&got.Pending, &known.Pending}, {&got.Delayed, &known.Delayed}, {&got.Letters, &known.Letters},
		} {
			if *n.got < 0 {
				*n.want = -1
			}
		}
		return counts(got) == counts(known)
	})
	return got
}

func inspected(letters int, b eventbus.Backlog) eventbus.GroupInfo {
	return eventbus.GroupInfo{Letters: letters, Backlog: b}
}

var inspecting = []test{
	{
		name:    "Inspect/Group",
		promise: "Any bus, without a subscriber and without Start, tells of any group what waits for it, what is under way, its retries, letters and members.",
		needs:   []part{hasInspector, hasLetters},
		run: func(k *kit) {
			tool, busy := k.open(eventbus.Options{}), k.gate()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Unordered: true, Concurrency: 1}, func(ctx context.Context, e eventbus.DomainEvent) error {
				switch e.ID {
				case "a-1":
					return eventbus.Permanent(errTest)
				case "a-2":
					return eventbus.RetryAfter(errTest, time.Hour)
				}
				return busy.wait(ctx)
			})
			before := time.Now()
			bus.publish(story("a", 6)...)
			info := tool.shows(inspected(1, eventbus.Backlog{Pending: 4, Delayed: 1}))
			equal(k, "members and their pending deliveries", fmt.Sprint(len(info.Members), info.Pending < 0 || info.Members[0].Pending == 4, info.Members[0].Alive), "1 true true")
			if old := info.OldestPending; !old.IsZero() && (old.Before(before.Add(-time.Minute)) || old.After(time.Now().Add(time.Minute))) {
				k.Errorf("the oldest pending is of %v, and was published after %v", old, before)
			}
			busy.open()
			got.good.wait(4)
			tool.shows(inspected(1, eventbus.Backlog{Delayed: 1}))
			got.stop()
			bus.publish(order("b", 1), order("b", 2))
			info = tool.shows(inspected(1, eventbus.Backlog{Lag: 2, Delayed: 1}))
			equal(k, "members after the end", info.Members, nil)
			if info.Topics != nil {
				equal(k, "the whole and its only topic", info.Topics, map[string]eventbus.Backlog{"order": info.Backlog})
			}
		},
	},
	{
		name:    "Inspect/UnknownGroup",
		promise: "Looking at a group that does not exist is an error that says so, and does not make it.",
		needs:   []part{hasInspector, hasAdmin},
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			bus.handle(eventbus.Subscriber{Name: "mailer"}, nil)
			for _, group := range []string{k.group() + ".nobody", "mailer", ""} {
				_, err := bus.inspector().Group(k.Context(), group)
				k.is("look at "+group, err, eventbus.ErrInvalid)
			}
			equal(k, "groups", bus.groups(), []string{k.group() + ".mailer"})
		},
	},
	{
		name:    "Inspect/Topics",
		promise: "The topics that the backend retains are listed with what they hold and who reads them, also where nobody does.",
		needs:   []part{hasInspector, retains},
		run: func(k *kit) {
			tool := k.open(eventbus.Options{})
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Events: []string{"order.#"}}, nil)
			bus.publish(append(story("a", 3), invoice("a", 1), invoice("a", 2))...)
			got.handled(3)
			topics, err := tool.inspector().Topics(k.Context())
			k.is("topics", err, nil)
			equal(k, "topics", topics, []eventbus.TopicInfo{
				{Name: "invoice", Length: 2},
				{Name: "order", Length: 3, Groups: []string{k.group() + ".worker"}},
			})
		},
	},
}
