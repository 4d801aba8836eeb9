package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// recipient is a subscriber of a Direct bus.
type recipient struct {
	bus      *Direct
	sub      eventbus.Subscriber
	group    string
	patterns []eventbus.Pattern
	handle   invoke        // with the middleware around it
	timeout  time.Duration // that was asked for; 0: none
	done     chan struct{}
	once     sync.Once

	gate   atomic.Uint32 // why no handler is to be called; 0: one is. Written under mu
	tally  atomic.Uint64 // handled ones, and in the lowest bits how many are under way
	failed atomic.Uint64

	mu        sync.Mutex
	skipped   uint64
	buried    uint64
	resumed   chan struct{} // closed when it is paused no longer; nil: it is not
	trouble   error         // why a letter could not be stored
	troubleAt time.Time
}

// What keeps the gate shut.
const (
	paused uint32 = 1 << iota
	stopped
)

const (
	runningBits = 20
	oneHandled  = 1 << runningBits
	runningMask = oneHandled - 1
)

// fate is how an event ends for a recipient.
type fate int

const (
	wasHandled fate = iota
	wasSkipped
	wasBuried
	wasDropped // the subscription has ended
)

// take runs the handler and settles the event. It returns an error where the event is
// neither handled nor a letter.
func (r *recipient) take(ctx context.Context, e *eventbus.DomainEvent, from provenance) (lost error) {
	r.tally.Add(1) // before the gate is looked at: whoever shuts it sees who is inside
	if r.gate.Load() != 0 {
		if err := r.wait(ctx); err != nil {
			return r.turnAway(ctx, e, from, err)
		}
	}
	if !e.Expires.IsZero() && !r.bus.clock.Now().Before(e.Expires) {
		return r.end(ctx, e, from, &result{death: death{dlq.Expired, expired(e), 0}})
	}
	var began time.Time
	if r.bus.options.Observer.Handled != nil { // only then is the clock read
		began = r.bus.clock.Now()
	}
	returned := false
	defer func() {
		if !returned { // the handler has panicked, or ended the goroutine
			lost = r.end(ctx, e, from, unreturned(began, recover()))
		}
	}()
	err := r.call(ctx, e, from)
	returned = true
	if err == nil && began.IsZero() {
		r.leave(wasHandled)
		return nil
	}
	return r.end(ctx, e, from, &result{err: err, began: began, called: true})
}

// turnAway settles an event that the gate does not let in.
func (r *recipient) turnAway(ctx context.Context, e *eventbus.DomainEvent, from provenance, why error) error {
	if errors.Is(why, errStopped) {
		r.leave(wasDropped)
		return why
	}
	why = fmt.Errorf("not handled, since its subscriber is paused: %w", why)
	return r.end(ctx, e, from, &result{death: death{dlq.HandlerError, why, 0}})
}

// result is how an event ends: by a handler call, or without one by its death.
type result struct {
	death
	fate   fate
	called bool
	err    error // of the call
	began  time.Time
}

// unreturned is the result of a handler call that did not return.
func unreturned(began time.Time, panicValue any) *result {
	res := &result{called: true, err: errGoexit, began: began}
	if panicValue != nil {
		res.err = panicked(panicValue, string(debug.Stack()))
	}
	return res
}

// end settles an event and counts it, whatever its observer does.
func (r *recipient) end(ctx context.Context, e *eventbus.DomainEvent, from provenance, res *result) error {
	res.fate = wasBuried
	if res.called {
		res.fate = r.fate(res.err)
	}
	defer r.leave(res.fate)
	if !res.called {
		return r.bury(ctx, e, from, res.death)
	}
	return r.settle(ctx, e, from, res)
}

// fate decides what becomes of an event by its handler's error. There is one attempt.
func (r *recipient) fate(err error) fate {
	if err == nil {
		return wasHandled
	}
	what, _ := decide(eventbus.RetryPolicy{Attempts: 1}, 1, err, 0)
	if what == unknown && r.sub.Unmatched == eventbus.SkipUnmatched {
		return wasSkipped
	}
	return wasBuried
}

// leave counts the end of one event.
func (r *recipient) leave(end fate) {
	var n uint64
	if end == wasHandled {
		n = r.tally.Add(oneHandled - 1)
	} else { // both at once, for those who read them
		r.mu.Lock()
		switch end {
		case wasSkipped:
			r.skipped++
		case wasBuried:
			r.buried++
		}
		n = r.tally.Add(^uint64(0))
		r.mu.Unlock()
	}
	// Counted once more behind the gate: somebody may have come in before it was shut.
	if n&runningMask == 0 && r.gate.Load()&stopped != 0 && r.tally.Load()&runningMask == 0 {
		r.once.Do(func() { close(r.done) })
	}
}

// call runs the handler once and returns its error. Its panics are its caller's to catch.
func (r *recipient) call(ctx context.Context, e *eventbus.DomainEvent, from provenance) error {
	if r.timeout > 0 || r.bus.backlog != nil {
		return r.callUnder(ctx, e, from)
	}
	return readable(r.handle(ctx, e))
}

// settle tells how a handler call ended, and makes a letter of what it failed.
func (r *recipient) settle(ctx context.Context, e *eventbus.DomainEvent, from provenance, res *result) error {
	o := &r.bus.options.Observer
	if res.fate == wasSkipped {
		if o.Skipped != nil {
			r.guard(func() { o.Skipped(eventbus.Skipped{Group: r.sub.Group, Subscriber: r.sub.Name, Event: *e}) })
		}
		return nil
	}
	if res.err != nil {
		r.failed.Add(1)
	}
	if o.Handled != nil {
		h := eventbus.Handled{
			Group: r.sub.Group, Subscriber: r.sub.Name, Event: *e, Attempt: 1,
			Took: r.bus.clock.Now().Sub(res.began), Err: res.err,
		}
		r.guard(func() { o.Handled(h) })
	}
	if res.err == nil {
		return nil
	}
	return r.bury(ctx, e, from, death{reasonOf(res.err), res.err, 1})
}

// death is why an event is buried, after how many attempts.
type death struct {
	reason   dlq.Reason
	err      error
	attempts int
}

// bury makes a letter of the event, and logs why. It returns an error if the event is
// lost.
func (r *recipient) bury(ctx context.Context, e *eventbus.DomainEvent, from provenance, why death) error {
	now := r.bus.clock.Now()
	end := r.flight(*e, from, why.attempts, now).burial(&r.sub, why.reason, why.err, now)
	log := []slog.Attr{
		slog.String("event_type", e.Type), slog.String("event_id", e.ID),
		slog.String("group", r.sub.Group), slog.String("subscriber", r.sub.Name), slog.String("reason", string(why.reason)), failure(why.err),
	}
	message := "eventbus: an event was not handled: it is a dead letter"
	var lost error
	if r.bus.options.DeadLetters == eventbus.DropLetters {
		end.told.LetterID = ""
		message = "eventbus: an event was not handled, and dropped (Options.DeadLetters)"
	} else if lost = r.keep(ctx, end.letter, now); lost != nil {
		end.told.LetterID = ""
		message = "eventbus: an event was not handled, and lost: its dead letter cannot be stored"
		log = append(log, slog.Any("store_error", lost))
	}
	r.guard(func() { r.bus.options.Logger.LogAttrs(ctx, slog.LevelError, message, log...) }) //nolint:sloglint // one of three literals
	if tell := r.bus.options.Observer.Buried; tell != nil {
		r.guard(func() { tell(end.told) })
	}
	return lost
}

// keep stores a letter.
func (r *recipient) keep(ctx context.Context, l dlq.Letter, now time.Time) error {
	err := r.bus.store.Put(context.WithoutCancel(ctx), l)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.trouble, r.troubleAt = err, now
	}
	return err
}

// flight is what a letter is made of.
func (r *recipient) flight(e eventbus.DomainEvent, from provenance, attempts int, now time.Time) *flight {
	f := &flight{
		Delivery: &Delivery{
			Message: Message{To: Address{Topic: e.AggregateType}, Key: e.AggregateID, Type: e.Type, Event: &e},
			Origin:  Origin{Topic: e.AggregateType, N: r.bus.number.Add(1)},
		},
		event: &e,
		past:  &history{attempts: attempts},
	}
	if attempts > 0 {
		f.past.first, f.past.last = now, now
	}
	f.past.facts.Origin, f.past.facts.Replays = from.origin, from.replays
	return f
}

// guard calls the observer, whose panics are none of the bus's.
func (r *recipient) guard(call func()) {
	defer func() {
		if v := recover(); v != nil {
			r.bus.notices.warn("the observer panicked", r.group, failure(panicked(v, "")))
		}
	}()
	call()
}
