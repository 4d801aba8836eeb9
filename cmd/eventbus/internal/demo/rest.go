package demo

import (
	"context"
	"time"

	"github.com/seed-28af575d/eventbus"
)

const (
	// lookEvery is how often the bus is looked at, and restLooks how often in a row it must
	// be at rest: what is between server and bus is seen by neither.
	lookEvery = 100 * time.Millisecond
	restLooks = 3
)

// comeToRest waits until the bus has nothing left, if there was trouble: then there may be
// more than one copy of an event, and a letter that is still to come. Without trouble
// everything has come once everything is settled.
func (d *demo) comeToRest(ctx context.Context) error {
	bus, ok := eventbus.As[eventbus.Inspector](d.bus)
	if !ok || !d.ledger.trouble.any() && d.ledger.unexplained() == 0 {
		return nil
	}
	w := newPatience(d.config.Stall)
	last, quiet := uint64(0), 0
	for {
		received, atRest := d.look(ctx, bus)
		if received != last {
			w.renew()
		}
		if quiet++; !atRest || received != last {
			last, quiet = received, 0
		}
		if quiet == restLooks {
			return nil
		}
		w.next = lookEvery
		if !w.rest(ctx) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			d.con.warn("the bus has not come to rest for %v", d.config.Stall)
			return nil
		}
	}
}

// look returns how many deliveries there were, 0 while the server is away, and whether
// nothing waits or is under way. It notes how many were not acknowledged in time.
func (d *demo) look(ctx context.Context, bus eventbus.Inspector) (received uint64, atRest bool) {
	stats, err := bus.Stats(ctx)
	if err != nil {
		return 0, false
	}
	atRest = true
	for i := range stats.Subscribers {
		s := &stats.Subscribers[i]
		received += s.Received
		atRest = atRest && s.Waiting == 0 && s.InFlight == 0
		if n := int(s.Received) - int(s.Acked) - s.InFlight; n > 0 {
			d.ledger.trouble.lapse(s.Subscriber, n)
		}
	}
	return received, atRest
}
