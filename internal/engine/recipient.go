package engine

import (
	"context"
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
	handler  eventbus.Handler // with the middleware around it
	timeout  time.Duration    // that was asked for; 0: none
	done     chan struct{}
	once     sync.Once

	gate    atomic.Uint32 // why no handler is to be called; 0: one is. Written under mu
	tally   atomic.Uint64 // handled ones, and in the lowest bits how many run
	failed  atomic.Uint64
	skipped atomic.Uint64
	buried  atomic.Uint64

	mu      sync.Mutex
	pending []pending // what it holds back
	trouble error     // why letters cannot be stored
}

// pending is an event that is held back.
type pending struct {
	ctx   context.Context
	event *eventbus.DomainEvent
	from  provenance
}

// What keeps the gate shut.
const (
	notStarted uint32 = 1 << iota
	paused
	catchingUp // with what was held back
	stopped
)

const (
	runningBits = 20
	oneHandled  = 1 << runningBits
	runningMask = oneHandled - 1
)

// take runs the handler, unless the event is to wait.
func (r *recipient) take(ctx context.Context, e *eventbus.DomainEvent, from provenance) {
	r.tally.Add(1) // before the gate is looked at: whoever shuts it sees who is inside
	if r.gate.Load() == 0 || !r.holdBack(ctx, e, from) {
		r.run(ctx, e, from)
		return
	}
	r.left()
}

// run calls the handler and settles the event.
func (r *recipient) run(ctx context.Context, e *eventbus.DomainEvent, from provenance) {
	if !e.Expires.IsZero() && !r.bus.clock.Now().Before(e.Expires) {
		r.bury(ctx, e, from, death{dlq.Expired, expired(e)})
		r.left()
		return
	}
	settled := false
	defer func() {
		if !settled { // the handler ended the goroutine
			r.fail(ctx, e, from, errGoexit)
			r.left()
		}
	}()
	err := r.observed(ctx, e, from)
	settled = true
	if err != nil {
		r.fail(ctx, e, from, err)
		r.left()
		return
	}
	r.handled()
}

// observed calls the handler, and the observer where there is one: only then is the
// clock read.
func (r *recipient) observed(ctx context.Context, e *eventbus.DomainEvent, from provenance) error {
	tell := r.bus.options.Observer.Handled
	if tell == nil {
		return r.call(ctx, e, from)
	}
	began := r.bus.clock.Now()
	err := r.call(ctx, e, from)
	h := eventbus.Handled{
		Group: r.sub.Group, Subscriber: r.sub.Name, Event: *e, Attempt: 1,
		Took: r.bus.clock.Now().Sub(began), Err: err,
	}
	r.guard(func() { tell(h) })
	return err
}

// handled counts a success.
func (r *recipient) handled() {
	if n := r.tally.Add(oneHandled - 1); n&runningMask == 0 && r.gate.Load()&stopped != 0 {
		r.end()
	}
}

// left notes that nothing more runs for one event.
func (r *recipient) left() {
	if n := r.tally.Add(^uint64(0)); n&runningMask == 0 && r.gate.Load()&stopped != 0 {
		r.end()
	}
}

func (r *recipient) end() { r.once.Do(func() { close(r.done) }) }

// call runs the handler once and returns its error, a panic being one.
func (r *recipient) call(ctx context.Context, e *eventbus.DomainEvent, from provenance) (err error) {
	if r.timeout > 0 || r.bus.backlog != nil {
		return r.callUnder(ctx, e, from)
	}
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v, string(debug.Stack()))
		}
	}()
	return readable(r.handler.Handle(ctx, *e))
}

// fail decides what becomes of an event that its handler failed. There is one attempt.
func (r *recipient) fail(ctx context.Context, e *eventbus.DomainEvent, from provenance, err error) {
	what, _ := decide(eventbus.RetryPolicy{Attempts: 1}, 1, err, 0)
	if what == unknown && r.sub.Unmatched == eventbus.SkipUnmatched {
		r.skipped.Add(1)
		if tell := r.bus.options.Observer.Skipped; tell != nil {
			r.guard(func() { tell(eventbus.Skipped{Group: r.sub.Group, Subscriber: r.sub.Name, Event: *e}) })
		}
		return
	}
	r.failed.Add(1)
	r.bury(ctx, e, from, death{reasonOf(err), err})
}

// death is why an event is buried.
type death struct {
	reason dlq.Reason
	err    error
}

// bury makes a letter of the event, and logs why.
func (r *recipient) bury(ctx context.Context, e *eventbus.DomainEvent, from provenance, why death) {
	now := r.bus.clock.Now()
	end := r.flight(*e, from, why.reason, now).burial(&r.sub, why.reason, why.err, now)
	r.buried.Add(1)
	log := []slog.Attr{
		slog.String("event_type", e.Type), slog.String("event_id", e.ID),
		slog.String("group", r.sub.Group), slog.String("subscriber", r.sub.Name), slog.String("reason", string(why.reason)), failure(why.err),
	}
	message := "eventbus: an event was not handled: it is a dead letter"
	if r.bus.options.DeadLetters == eventbus.DropLetters {
		end.told.LetterID = ""
		message = "eventbus: an event was not handled, and dropped (Options.DeadLetters)"
	} else if lost := r.store(ctx, end.letter); lost != nil {
		end.told.LetterID = ""
		message = "eventbus: an event was not handled, and lost: its dead letter cannot be stored"
		log = append(log, slog.Any("store_error", lost))
	}
	r.bus.options.Logger.LogAttrs(ctx, slog.LevelError, message, log...) //nolint:sloglint // one of three literals
	if tell := r.bus.options.Observer.Buried; tell != nil {
		r.guard(func() { tell(end.told) })
	}
}

func (r *recipient) store(ctx context.Context, l dlq.Letter) error {
	err := r.bus.store.Put(context.WithoutCancel(ctx), l)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = err
	return err
}

// flight is what a letter is made of.
func (r *recipient) flight(e eventbus.DomainEvent, from provenance, reason dlq.Reason, now time.Time) *flight {
	f := &flight{
		Delivery: &Delivery{
			Message: Message{To: Address{Topic: e.AggregateType}, Key: e.AggregateID, Type: e.Type, Event: &e},
			Origin:  Origin{Topic: e.AggregateType, N: r.bus.number.Add(1)},
		},
		event: &e,
		past:  &history{},
	}
	if reason != dlq.Expired {
		f.past.attempts, f.past.first, f.past.last = 1, now, now
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
