package eventtest_test

import (
	"context"
	"testing"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/eventtest"
	"github.com/seed-28af575d/eventbus/memory"
)

// An error that names no event, though it should, is one of all.
func TestAnErrorWithoutReasonsIsAFailure(t *testing.T) {
	for _, err := range []error{&eventbus.PublishError{Total: 1}, (*eventbus.PublishError)(nil)} {
		r := eventtest.Record(t, failing{eventbus.Discard(), err})
		_ = r.Publish(t.Context(), placed("a"))
		same(t, "published", len(r.Events("#")), 0)
		same(t, "failed", len(r.Failed()), 1)
	}
}

// Beneath a background bus a call that is refused for one event of it is published again
// in parts: each event has failed once, or not.
func TestOfAnEventThatIsPublishedAgainTheLastFailureCounts(t *testing.T) {
	bus, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := eventtest.Record(t, bus)
	good, bad := placed("a").WithID("1"), placed("b").WithID("2").WithVersion(-1)
	for _, events := range [][]eventbus.DomainEvent{{good, bad}, {good}, {bad}} {
		_ = r.Publish(t.Context(), events...)
	}
	same(t, "published", ids(r.Events("#")), "[a]")
	same(t, "failed", len(r.Failed()), 1)
	same(t, "failed", r.Failed()[0].Event.AggregateID, "b")
}

type failing struct {
	eventbus.EventBus
	err error
}

func (f failing) Publish(context.Context, ...eventbus.DomainEvent) error { return f.err }
