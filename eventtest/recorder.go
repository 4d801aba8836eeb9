package eventtest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/seed-28af575d/eventbus"
)

// Recorder is a bus that passes everything on to another one, and keeps what was
// published through it. Everything may be called concurrently; what can end the test
// (Only, None, Wait and their like) must be called from the goroutine of the test.
// Optional interfaces of the bus are found through it, dead letters by dlq.Of.
type Recorder struct {
	// EventBus is the bus that is recorded.
	eventbus.EventBus

	tb testing.TB

	mu        sync.Mutex
	published []eventbus.DomainEvent
	failed    []eventbus.Published
	changed   chan struct{} // closed by the next event; nil while nobody waits
}

var (
	_ eventbus.EventBus  = (*Recorder)(nil)
	_ eventbus.Unwrapper = (*Recorder)(nil)
)

// Record returns a recorder of what is published through it. Without a bus it ends
// the test.
func Record(tb testing.TB, bus eventbus.EventBus) *Recorder {
	tb.Helper()
	if v := reflect.ValueOf(bus); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		tb.Fatalf("eventtest: Record needs a bus, not nil; eventbus.Discard() is one that does nothing")
	}
	return &Recorder{EventBus: bus, tb: tb}
}

// Unwrap returns the bus that is recorded.
func (r *Recorder) Unwrap() eventbus.EventBus { return r.EventBus }

// Publish publishes the events and keeps them, as they were given, before it returns:
// those that the bus has taken in one list, the others, with why, in another. Over a
// background bus taken means queued; record beneath it to see what was stored. Of an
// event that is published again, as the same ID says, the last failure counts.
func (r *Recorder) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	err := r.EventBus.Publish(ctx, events...)
	r.mu.Lock()
	defer r.mu.Unlock()
	why := reasons(err, len(events))
	r.forget(events)
	for i := range events {
		if why[i] == nil {
			r.published = append(r.published, events[i])
		} else {
			r.failed = append(r.failed, eventbus.Published{Event: events[i], Err: why[i]})
		}
	}
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	return err
}

// forget drops earlier failures of events that are published again: of each one its
// last outcome counts.
func (r *Recorder) forget(events []eventbus.DomainEvent) {
	if len(r.failed) == 0 {
		return
	}
	type key struct{ source, id string }
	again := make(map[key]bool, len(events))
	for i := range events {
		again[key{events[i].Source, events[i].ID}] = events[i].ID != ""
	}
	r.failed = slices.DeleteFunc(r.failed, func(p eventbus.Published) bool { return again[key{p.Event.Source, p.Event.ID}] })
}

// reasons returns for each event why it failed; nil: it did not.
func reasons(err error, n int) []error {
	why := make([]error, n)
	if err == nil {
		return why
	}
	var each *eventbus.PublishError
	if !errors.As(err, &each) || each == nil || each.Total != n || len(each.Failed) == 0 {
		for i := range why {
			why[i] = err
		}
		return why
	}
	for _, f := range each.Failed {
		if f.Index >= 0 && f.Index < n {
			why[f.Index] = f
		}
	}
	return why
}

// Events returns what was published and matches the pattern, in the order in which
// the calls of Publish returned. "#" is all.
func (r *Recorder) Events(pattern string) []eventbus.DomainEvent {
	r.tb.Helper()
	return r.now(r.byPattern(pattern))
}

// Failed returns what was not published, or may not have been, and why.
func (r *Recorder) Failed() []eventbus.Published {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.failed)
}

// Reset forgets everything so far.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.published, r.failed = nil, nil
}

// query is what a test asks for.
type query struct {
	what  string
	match func(eventbus.DomainEvent) bool
}

func (r *Recorder) byPattern(pattern string) query {
	r.tb.Helper()
	p := eventbus.Pattern(pattern)
	if err := p.Validate(); err != nil {
		r.tb.Fatalf("eventtest: the pattern %q: %v", pattern, err)
	}
	return query{pattern, func(e eventbus.DomainEvent) bool { return p.Match(e.Type) }}
}

// now returns what matches so far.
func (r *Recorder) now(q query) []eventbus.DomainEvent {
	r.mu.Lock()
	published := r.published[:len(r.published):len(r.published)]
	r.mu.Unlock()
	var found []eventbus.DomainEvent
	for _, e := range published {
		if q.match(e) {
			found = append(found, e)
		}
	}
	return found
}
