package kafkabus

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// patiently repeats a call that may be, as long as what is wrong may pass, with a new picture of the
// cluster each time: brokers answer so while something is being made, moved or loaded. A broker that does
// not let itself be connected to is not waited for.
func patiently[T any](ctx context.Context, c *client, f func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		out, err := f(ctx)
		if err == nil || !passing(err) || away(err) || errors.Is(err, eventbus.ErrClosed) || !pause(ctx, wait) {
			return out, err
		}
		_ = c.refresh(ctx)
	}
}

// away reports whether a connection could not be made.
func away(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}
