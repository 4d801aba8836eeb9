package demo

import (
	"context"
	"errors"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/kafkabus"
	"github.com/seed-28af575d/eventbus/rabbitbus"
	"github.com/seed-28af575d/eventbus/redisbus"
)

const (
	// defaultPatience is how long the demo tries in vain while the server is away.
	defaultPatience = time.Minute
	// hurry is that for an end that somebody waits for.
	hurry = 3 * time.Second

	shortestRest = 100 * time.Millisecond
	longestRest  = 5 * time.Second
)

// patience tells how long to go on trying.
type patience struct {
	limit time.Duration // without any success
	since time.Time     // of the last success, or the beginning
	next  time.Duration
}

func newPatience(limit time.Duration) *patience {
	p := &patience{limit: limit}
	p.renew()
	return p
}

// renew is called when something has succeeded.
func (p *patience) renew() { p.since, p.next = time.Now(), shortestRest }

// rest waits before another try, longer each time. It reports whether there is one: not
// when ctx has ended or the patience.
func (p *patience) rest(ctx context.Context) bool {
	left := p.limit - time.Since(p.since)
	if left <= 0 || ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(min(p.next, left))
	defer timer.Stop()
	p.next = min(2*p.next, longestRest)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// insist calls f until it succeeds, fails for a reason that does not pass, or the
// patience ends; then it returns the last error.
func (d *demo) insist(ctx context.Context, f func(context.Context) error) error {
	p := newPatience(d.patience)
	for {
		err := f(ctx)
		if err == nil || lasting(err) || !p.rest(ctx) {
			return err
		}
	}
}

// lasting reports whether the reason does not pass by itself, as that of a server which is
// away does.
func lasting(err error) bool {
	for _, reason := range []error{
		eventbus.ErrInvalid, eventbus.ErrClosed, eventbus.ErrFull,
		redisbus.ErrPermission, redisbus.ErrCredentials, redisbus.ErrWrongType, redisbus.ErrVersion,
		rabbitbus.ErrPermission, rabbitbus.ErrCredentials, rabbitbus.ErrVHost, rabbitbus.ErrTopology,
		kafkabus.ErrPermission, kafkabus.ErrCredentials,
	} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}
