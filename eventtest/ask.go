package eventtest

import (
	"context"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// Only returns the only event that was published so far and matches the pattern. If
// there is none, or more than one, it ends the test.
func (r *Recorder) Only(pattern string) eventbus.DomainEvent {
	r.tb.Helper()
	return r.only(r.byPattern(pattern))
}

func (r *Recorder) only(q query) eventbus.DomainEvent {
	r.tb.Helper()
	found := r.now(q)
	switch len(found) {
	case 0:
		r.fatal("no %s was published", q.what)
	case 1:
	default:
		r.fatal("%d events %s were published, not one", len(found), q.what)
	}
	return found[0]
}

// None ends the test if an event that matches the pattern was published so far.
func (r *Recorder) None(pattern string) {
	r.tb.Helper()
	r.none(r.byPattern(pattern))
}

func (r *Recorder) none(q query) {
	r.tb.Helper()
	if n := len(r.now(q)); n > 0 {
		r.fatal("%d events %s were published, and none should be", n, q.what)
	}
}

// Wait returns the first event that matches the pattern, once one was published: it
// waits until ctx ends, at most until shortly before the deadline of the test (in a
// bubble of testing/synctest, where tests have none, an hour of virtual time), and
// then ends the test.
func (r *Recorder) Wait(ctx context.Context, pattern string) eventbus.DomainEvent {
	r.tb.Helper()
	return r.wait(ctx, r.byPattern(pattern), 1)[0]
}

// WaitN is Wait for n events. It returns all that match, n or more.
func (r *Recorder) WaitN(ctx context.Context, pattern string, n int) []eventbus.DomainEvent {
	r.tb.Helper()
	return r.wait(ctx, r.byPattern(pattern), n)
}

// WaitFunc is Wait for an event for which match returns true; what describes it in a
// failure. match must not call the recorder.
func (r *Recorder) WaitFunc(ctx context.Context, what string, match func(eventbus.DomainEvent) bool) eventbus.DomainEvent {
	r.tb.Helper()
	if match == nil {
		r.tb.Fatalf("eventtest: WaitFunc needs a function, not nil")
	}
	return r.wait(ctx, query{what, match}, 1)[0]
}

func (r *Recorder) wait(ctx context.Context, q query, n int) []eventbus.DomainEvent {
	r.tb.Helper()
	if ctx == nil {
		r.tb.Fatalf("eventtest: wait for %s: the context must not be nil; t.Context() waits as long as the test may", q.what)
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	for {
		changed := r.watch()
		if found := r.now(q); len(found) >= n {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			r.fatal("%d of %d events %s were published when the wait ended: %v", len(r.now(q)), n, q.what, context.Cause(ctx))
		}
	}
}

// watch returns a channel that is closed when something is published.
func (r *Recorder) watch() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

// bounded ends the context before the test's own deadline does away with all that
// could be told.
func (r *Recorder) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	_, own := ctx.Deadline()
	end, ok := r.deadline(!own)
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end)
}

// deadline returns until when the test may wait. In a bubble T.Deadline panics: an hour
// is what a wait gets there that needs an end.
func (r *Recorder) deadline(needed bool) (end time.Time, ok bool) {
	const rest = time.Second // to tell what was published
	defer func() {
		if recover() != nil {
			end, ok = time.Now().Add(time.Hour), needed
		}
	}()
	t, ok := r.tb.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return end, false
	}
	end, ok = t.Deadline()
	return end.Add(-rest), ok
}
