package demo

import (
	"cmp"
	"context"
	"slices"

	"github.com/seed-28af575d/eventbus/dlq"
)

// letterKind is what the listing of the dead letters is grouped by.
type letterKind struct {
	subscriber string
	reason     dlq.Reason
	eventType  string
}

// letterGroup are the letters of a kind, with the error of the first.
type letterGroup struct {
	letterKind
	letters int
	example string
}

// listing is what the queue holds.
type listing struct {
	letters int
	groups  map[letterKind]*letterGroup
	dead    deadSet
	ids     map[string]map[string]int // positions, -1 where it is not known, by subscriber and letter
}

// list goes through all letters of the queue, which it does not change.
func (d *demo) list(ctx context.Context) (listing, error) {
	l := listing{groups: map[letterKind]*letterGroup{}, dead: deadSet{}, ids: map[string]map[string]int{}}
	for letter, err := range d.queue.List(ctx, dlq.All) {
		if err != nil {
			return l, err
		}
		l.letters++
		kind := letterKind{letter.Subscriber, letter.Reason, letter.Type}
		g, ok := l.groups[kind]
		if !ok {
			g = &letterGroup{letterKind: kind}
			if len(letter.Errors) > 0 {
				g.example = letter.Errors[0]
			}
			l.groups[kind] = g
		}
		g.letters++
		position, ok := d.ledger.register.position(&letter.Event)
		if !ok {
			position = -1
		} else {
			l.dead.add(letter.Subscriber, position)
		}
		if l.ids[letter.Subscriber] == nil {
			l.ids[letter.Subscriber] = map[string]int{}
		}
		l.ids[letter.Subscriber][letter.ID] = position
	}
	return l, nil
}

// sorted returns the groups by subscriber, the largest first.
func (l listing) sorted() []*letterGroup {
	groups := make([]*letterGroup, 0, len(l.groups))
	for _, g := range l.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *letterGroup) int {
		return cmp.Or(
			cmp.Compare(a.subscriber, b.subscriber),
			cmp.Compare(b.letters, a.letters),
			cmp.Compare(a.reason, b.reason),
			cmp.Compare(a.eventType, b.eventType),
		)
	})
	return groups
}

// letters lists again until the server has shown all of them.
func (d *demo) letters(ctx context.Context) (l listing, err error) {
	err = d.insist(ctx, func(ctx context.Context) error {
		l, err = d.list(ctx)
		return err
	})
	return l, err
}

// inspect lists the dead letters.
func (d *demo) inspect(ctx context.Context) error {
	found, err := d.letters(ctx)
	if err != nil {
		return err
	}
	d.found = found
	d.con.say("%s", lettersText(found))
	return nil
}
