package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
}

// list goes through all letters of the queue, which it does not change.
func (d *demo) list(ctx context.Context) (listing, error) {
	l := listing{groups: map[letterKind]*letterGroup{}, dead: deadSet{}}
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
		if position, ok := d.ledger.register.position(&letter.Event); ok {
			l.dead.add(letter.Subscriber, position)
		}
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

// inspect lists the dead letters.
func (d *demo) inspect(ctx context.Context) error {
	found, err := d.list(ctx)
	if err != nil {
		return err
	}
	d.found = found
	d.con.say("%s", lettersText(found))
	return nil
}

// repair fixes the biller, replays its letters and waits for what they come to.
func (d *demo) repair(ctx context.Context) error {
	d.cast.biller.fixed.Store(true)
	mine := d.found.dead[billerName]
	if len(mine) == 0 {
		d.con.say("There is nothing to replay.\n")
		return nil
	}
	settled := 0
	d.ledger.tallies[billerName].update(func(t *tally) { settled = t.settled })
	for position := range mine {
		d.ledger.reopen(billerName, position)
	}
	d.con.begin("replaying", len(mine))
	result, err := d.queue.Replay(ctx, dlq.Filter{Subscriber: billerName}, dlq.ReplayOptions{
		Progress: func(r dlq.ReplayResult) { d.con.reach(r.Replayed) },
	})
	d.con.end()
	d.replayed = result.Replayed
	if err != nil {
		return err
	}
	d.con.say("The biller is fixed: %s of %s replayed.\n", number(result.Replayed), count(result.Matched, "letter"))
	if left := result.Matched - result.Replayed; left > 0 {
		d.con.warn("%s could not be replayed: %v", count(left, "letter"), cmp.Or(errors.Join(result.Errors...), errNoReason))
	}
	return d.await(ctx, "handling again", map[string]int{billerName: settled - (len(mine) - result.Replayed)})
}

var errNoReason = fmt.Errorf("someone else has them, or they were replayed too often")
