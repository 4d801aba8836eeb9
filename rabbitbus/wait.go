package rabbitbus

import (
	"context"
	"errors"
	"time"
)

// grace is how long messages that are under way may wait for a server that has begun to take
// nothing: alarms can be short.
const grace = time.Second

// wait is the waiting for the confirms of a batch.
type wait struct {
	*batch
	obstacle <-chan struct{}
	late     *time.Timer // since there was an obstacle
}

// await waits until all is confirmed, ctx ends, or it makes no sense any more. It begins with
// what is confirmed last, most often: then it wakes up once.
func (b *batch) await(ctx context.Context) {
	w := wait{batch: b, obstacle: b.conn.obstacle()}
	defer w.calm()
	for i := len(b.out) - 1; i >= 0; i-- {
		if c := b.out[i].confirmed; c != nil && !isClosed(c.Done()) && !w.one(ctx, &b.out[i]) {
			return
		}
	}
}

// one waits for one message, and reports whether to wait for others.
func (w *wait) one(ctx context.Context, o *outgoing) bool {
	for {
		select {
		case <-o.confirmed.Done():
			return true
		case <-w.conn.over:
			return false
		case <-ctx.Done():
			w.err = errors.Join(context.Cause(ctx), w.conn.taking())
			return false
		case <-w.obstacle:
			w.obstacle, w.late = nil, time.NewTimer(grace)
		case <-w.lateness():
			w.calm()
			// A move would be repeated after an unknown outcome, and be there twice.
			if err := w.conn.taking(); err != nil && !o.message.IsMove() {
				w.err = err
				return false
			}
			w.obstacle = w.conn.obstacle()
		}
	}
}

func (w *wait) lateness() <-chan time.Time {
	if w.late == nil {
		return nil
	}
	return w.late.C
}

func (w *wait) calm() {
	if w.late != nil {
		w.late.Stop()
		w.late = nil
	}
}
