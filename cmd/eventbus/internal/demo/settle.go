package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// defaultStall is how long the bus may be silent before the demo stops waiting.
const defaultStall = 30 * time.Second

// remoteStall is that for a bus on a server: it may be away for a while, and what it had
// handed over before comes again when its lease has run out.
const remoteStall = 90 * time.Second

// errStalled is matched when the bus owes events and has fallen silent.
var errStalled = errors.New("the bus has fallen silent")

// waiting is what a wait for the subscribers needs.
type waiting struct {
	want  map[string]int // distinct events to be settled, by subscriber
	stall time.Duration  // longest silence
	tell  func(settled int)
}

// wait returns when every subscriber has settled what is wanted of it, ctx has
// ended, or nothing at all has happened for the longest silence.
func (l *ledger) wait(ctx context.Context, w waiting) error {
	silence := time.NewTimer(w.stall)
	defer silence.Stop()
	for {
		settled, missing := l.settled(w.want)
		w.tell(settled)
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.changed:
			silence.Reset(w.stall)
		case <-silence.C:
			return fmt.Errorf("%w for %v; unsettled: %s", errStalled, w.stall, strings.Join(missing, ", "))
		}
	}
}

// settled counts what is settled of what is wanted, and names who is behind.
func (l *ledger) settled(want map[string]int) (settled int, missing []string) {
	for name, n := range want {
		l.tallies[name].update(func(t *tally) {
			settled += min(t.settled, n)
			if t.settled < n {
				missing = append(missing, fmt.Sprintf("%s of %s", count(n-t.settled, "event"), name))
			}
		})
	}
	slices.Sort(missing)
	return settled, missing
}

// total is how many settled events are wanted in all.
func (w waiting) total() int {
	n := 0
	for _, k := range w.want {
		n += k
	}
	return n
}
