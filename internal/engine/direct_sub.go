package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
)

// Subscribe registers a subscriber; see [eventbus.EventBus].
func (d *Direct) Subscribe(ctx context.Context, sub eventbus.Subscriber) (eventbus.Subscription, error) {
	r, err := d.subscribe(ctx, sub)
	if err != nil {
		return nil, fmt.Errorf("eventbus: subscribe %s: %w", sub.Name, err)
	}
	return r, nil
}

func (d *Direct) subscribe(ctx context.Context, sub eventbus.Subscriber) (*recipient, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	asked := sub.Timeout
	sub = sub.WithDefaults(d.options)
	handler, err := wrap(sub.Handler, d.options.Middleware)
	if err := errors.Join(sub.Validate(d.options), err, ctx.Err()); err != nil {
		return nil, err
	}
	r := &recipient{bus: d, sub: sub, group: sub.Group + "." + sub.Name, handle: invoker(handler), timeout: asked, done: make(chan struct{})}
	for _, p := range sub.Events {
		r.patterns = append(r.patterns, eventbus.Pattern(p))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.directory.Load()
	switch {
	case d.closing.Load():
		return nil, eventbus.ErrClosed
	case t.byGroup(r.group) != nil:
		return nil, fmt.Errorf("%w: %s has a subscription on this bus; Stop it first", eventbus.ErrDuplicate, r.group)
	}
	if err := d.types.bindAll(sub.Handler); err != nil {
		return nil, err
	}
	d.groups[sub.Group] = true
	d.directory.Store(t.with(r))
	return r, nil
}

// Start allows Drain. Handlers that Publish runs need none; see [eventbus.EventBus].
func (d *Direct) Start(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: start: %w", errNilContext)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("eventbus: start: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closing.Load():
		return fmt.Errorf("eventbus: start: %w", eventbus.ErrClosed)
	case d.started:
		return fmt.Errorf("eventbus: start: %w", eventbus.ErrStarted)
	}
	d.started = true
	return nil
}

// Pause lets publishers wait until Resume, and Drain stop.
func (r *recipient) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.resumed == nil {
		r.resumed = make(chan struct{})
		r.gate.Or(paused)
	}
}

// Resume ends a Pause.
func (r *recipient) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resume()
}

func (r *recipient) resume() {
	if r.resumed != nil {
		r.gate.And(^paused)
		close(r.resumed)
		r.resumed = nil
	}
}

func (r *recipient) isPaused() bool { return r.gate.Load()&paused != 0 }

var errStopped = fmt.Errorf("%w: its subscription has ended", eventbus.ErrRefused)

// wait waits until handlers may run, as long as ctx and the publish time-out let it.
func (r *recipient) wait(ctx context.Context) error {
	var bound boundedContext
	bound.begin(ctx, &r.bus.limits)
	defer bound.end()
	for {
		r.mu.Lock()
		gate, resumed := r.gate.Load(), r.resumed
		r.mu.Unlock()
		switch {
		case gate&stopped != 0:
			return errStopped
		case gate == 0:
			return nil
		}
		select {
		case <-resumed:
		case <-bound.Done():
			return bound.Err()
		}
	}
}

// Done is closed when the subscription has ended and none of its handlers runs.
func (r *recipient) Done() <-chan struct{} { return r.done }

// Err is nil: nothing but Stop and Shutdown ends it.
func (r *recipient) Err() error { return nil }

// Stop ends the subscription. It does not wait for handlers, which run in goroutines of
// others, perhaps in the caller's own: Done does.
func (r *recipient) Stop(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: stop %s: %w", r.group, errNilContext)
	}
	r.bus.mu.Lock()
	r.bus.directory.Store(r.bus.directory.Load().without(r))
	r.bus.mu.Unlock()
	r.halt()
	return nil
}

// halt lets no further handler run.
func (r *recipient) halt() {
	r.tally.Add(1) // or the last handler could miss the gate
	r.mu.Lock()
	r.gate.Or(stopped)
	r.resume()
	r.mu.Unlock()
	r.leave(wasDropped)
}
