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
	r := &recipient{bus: d, sub: sub, group: sub.Group + "." + sub.Name, handler: handler, timeout: asked, done: make(chan struct{})}
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
	if !d.started {
		r.gate.Store(notStarted)
	}
	d.groups[sub.Group] = true
	d.directory.Store(t.with(r))
	return r, nil
}

// Start lets handlers run, first for what was published before; see
// [eventbus.EventBus].
func (d *Direct) Start(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: start: %w", errNilContext)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("eventbus: start: %w", err)
	}
	d.mu.Lock()
	switch {
	case d.closing.Load():
		d.mu.Unlock()
		return fmt.Errorf("eventbus: start: %w", eventbus.ErrClosed)
	case d.started:
		d.mu.Unlock()
		return fmt.Errorf("eventbus: start: %w", eventbus.ErrStarted)
	}
	d.started = true
	all := d.directory.Load().all
	d.mu.Unlock()
	for _, r := range all {
		r.open(notStarted)
	}
	return nil
}

// Pause holds events back until Resume.
func (r *recipient) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate.Or(paused)
}

// Resume ends a Pause, and handles what was held back.
func (r *recipient) Resume() { r.open(paused) }

// open takes away a reason for holding back, and handles what was held back if that
// was the last one. What comes meanwhile stands in line.
func (r *recipient) open(reason uint32) {
	r.mu.Lock()
	gate := r.gate.Load() &^ reason
	behind := gate == 0 && len(r.pending) > 0
	if behind {
		gate = catchingUp
	}
	r.gate.Store(gate)
	r.mu.Unlock()
	if behind {
		r.catchUp()
	}
}

// catchUp handles what was held back, also when a handler ends the goroutine.
func (r *recipient) catchUp() {
	for {
		p, ok := r.next()
		if !ok {
			return
		}
		returned := false
		func() {
			defer func() {
				if !returned {
					r.catchUp()
				}
			}()
			r.tally.Add(1)
			r.run(p.ctx, p.event, p.from)
			returned = true
		}()
	}
}

// next returns what was held back first, or ends the catching up.
func (r *recipient) next() (pending, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 || r.gate.Load() != catchingUp {
		r.gate.And(^catchingUp)
		return pending{}, false
	}
	p := r.pending[0]
	r.pending[0] = pending{}
	r.pending = r.pending[1:]
	r.bus.held.Add(-1)
	return p, true
}

// holdBack keeps an event for later, unless it is to be handled now after all. An
// event for one that has stopped goes nowhere.
func (r *recipient) holdBack(ctx context.Context, e *eventbus.DomainEvent, from provenance) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	gate := r.gate.Load()
	switch {
	case gate == 0:
		return false
	case gate&stopped != 0:
		return true
	}
	own := *e
	r.pending = append(r.pending, pending{context.WithoutCancel(ctx), &own, from})
	r.bus.held.Add(1)
	return true
}

// full returns how many events are held back, if no more may be.
func (r *recipient) full() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) < r.bus.manner.Capacity {
		return 0
	}
	return len(r.pending)
}

// Done is closed when the subscription has ended and none of its handlers runs.
func (r *recipient) Done() <-chan struct{} { return r.done }

// Err is nil: nothing but Stop and Shutdown ends it.
func (r *recipient) Err() error { return nil }

// Stop ends the subscription, with what waits for it. It does not wait for handlers,
// which run in goroutines of others, perhaps in the caller's own: Done does.
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
	r.bus.held.Add(-int64(len(r.pending)))
	r.pending = nil
	r.mu.Unlock()
	r.left()
}
