package bustest

import (
	"slices"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// administrator manages groups, or ends the case.
func (b *bus) administrator() eventbus.Admin {
	b.k.Helper()
	a, ok := eventbus.As[eventbus.Admin](b.EventBus)
	if !ok {
		b.k.Fatalf("the bus cannot manage groups")
	}
	return a
}

func (b *bus) groups() []string {
	b.k.Helper()
	all, err := b.administrator().Groups(b.k.Context())
	if err != nil {
		b.k.Fatalf("groups: %v", err)
	}
	return all
}

var admin = []test{
	{
		name:    "Admin/Groups",
		promise: "The groups of the backend are listed by service and subscriber, also those without a member.",
		needs:   []part{hasAdmin},
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{Name: "mailer"}, nil)
			bus.handle(eventbus.Subscriber{Name: "biller", Group: "other-service"}, nil)
			got.stop()
			for _, want := range []string{k.group() + ".mailer", "other-service.biller"} {
				if all := bus.groups(); !slices.Contains(all, want) {
					k.Errorf("the groups are %v, without %s", all, want)
				}
			}
		},
	},
	{
		name:    "Admin/Delete",
		promise: "A group without members can be deleted, with what waits in it; its dead letters stay.",
		needs:   []part{hasAdmin, hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1))
			w.worker.stop()
			w.publish(order("a", 2))
			group := k.group() + ".worker"
			k.is("delete", w.administrator().DeleteGroup(k.Context(), group), nil)
			if all := w.groups(); slices.Contains(all, group) {
				k.Errorf("the groups are %v, after %s was deleted", all, group)
			}
			again := w.handle(eventbus.Subscriber{From: eventbus.Now()}, nil)
			w.publish(order("a", 3))
			equal(k, "events handled by the new group", again.handled(1), []string{"a-3"})
			equal(k, "letters", eventIDs(w.dead.list(dlq.Filter{})), []string{"a-1"})
		},
	},
	{
		name:    "Admin/DeleteRefused",
		promise: "A group that has a member, of any instance, or that does not exist is not deleted, and the error says so.",
		needs:   []part{hasAdmin},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			tool := k.open(eventbus.Options{}).administrator()
			for _, group := range []string{k.group() + ".worker", k.group() + ".nobody", ""} {
				if err := tool.DeleteGroup(k.Context(), group); err == nil {
					k.Errorf("deleting group %q is no error", group)
				}
			}
			bus.publish(orders(2, 3)...)
			inOrder(k, got.handled(6), orders(2, 3))
		},
	},
}
