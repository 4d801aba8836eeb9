package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// stall is how long nothing may be handled before a wait gives up.
const stall = 10 * time.Second

// latch opens when a number of events has been handled.
type latch struct {
	of   int
	left atomic.Int64
	done chan struct{}
}

func (l *latch) set(n int) {
	l.of, l.done = n, make(chan struct{})
	l.left.Store(int64(n))
	if n == 0 {
		close(l.done)
	}
}

func (l *latch) down() {
	if l.left.Add(-1) == 0 {
		close(l.done)
	}
}

func (l *latch) await(ctx context.Context) error {
	tick := time.NewTicker(stall)
	defer tick.Stop()
	for left := int64(-1); ; {
		select {
		case <-l.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waited for %d of %d events: %w", l.left.Load(), l.of, context.Cause(ctx))
		case <-tick.C:
			now := l.left.Load()
			if now == left {
				return fmt.Errorf("nothing was handled for %v: %d of %d events are missing", stall, now, l.of)
			}
			left = now
		}
	}
}
