package demo

import (
	"cmp"
	"context"
	"errors"

	"github.com/seed-28af575d/eventbus/dlq"
)

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
	left, err := d.replay(ctx, d.found.ids[billerName])
	if err != nil {
		return err
	}
	stay := map[int]bool{}
	for _, position := range left {
		stay[position] = true
	}
	if err := d.await(ctx, "handling again", map[string]int{billerName: settled - len(stay)}); err != nil {
		return err
	}
	return d.comeToRest(ctx)
}

// replay replays the letters, and again those that stay, while the server is away and
// until nobody holds them any more. It returns those that stay after all.
func (d *demo) replay(ctx context.Context, letters map[string]int) (left map[string]int, err error) {
	d.con.begin("replaying", len(letters))
	left, why, err := d.replayAll(ctx, letters)
	d.con.end()
	if err != nil {
		return left, err
	}
	d.con.say("The biller is fixed: %s of %s replayed.\n", number(d.replayed), count(len(letters), "letter"))
	if len(left) > 0 {
		d.con.warn("%s could not be replayed: %v", count(len(left), "letter"), cmp.Or(why, errNoReason))
	}
	return left, nil
}

// replayAll returns the letters that stay, and why.
func (d *demo) replayAll(ctx context.Context, letters map[string]int) (left map[string]int, why, err error) {
	left = letters
	for p := newPatience(d.patience); ; {
		done := len(letters) - len(left)
		result, err := d.queue.Replay(ctx, dlq.Filter{Subscriber: billerName}, dlq.ReplayOptions{
			Progress: func(r dlq.ReplayResult) { d.con.reach(done + r.Replayed) },
		})
		d.replayed = done + result.Replayed
		if err == nil && result.Replayed == len(left) && result.Matched == len(left) {
			return nil, nil, nil
		}
		if lasting(err) || ctx.Err() != nil {
			return left, nil, cmp.Or(err, context.Cause(ctx))
		}
		why := errors.Join(append(result.Errors, err)...)
		still, err := d.stillThere(ctx, left)
		if err != nil {
			return left, nil, err
		}
		if len(still) < len(left) {
			p.renew()
		}
		left, d.replayed = still, len(letters)-len(still)
		if len(left) == 0 || !p.rest(ctx) {
			return left, why, nil
		}
		for _, position := range left {
			d.ledger.trouble.replayAgain(position)
		}
	}
}

// stillThere returns which of the biller's letters are in the queue. Where an answer was
// lost, what a replay says of a letter is not what has become of it.
func (d *demo) stillThere(ctx context.Context, letters map[string]int) (map[string]int, error) {
	now, err := d.letters(ctx)
	if err != nil {
		return nil, err
	}
	still := map[string]int{}
	for id, position := range letters {
		if _, ok := now.ids[billerName][id]; ok {
			still[id] = position
		}
	}
	return still, nil
}

var errNoReason = errors.New("someone else has them, or they were replayed too often")
