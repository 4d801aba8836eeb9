package oracle_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// A bus without a fault keeps every promise, on a log of the shape of a real one.
func TestAHealthyBus(t *testing.T) {
	r := judged(t, plant{}, permits(1434, 8577))
	require.NoError(t, r.Err())
	require.Equal(t, 8577, r.Published.OK)
	require.Greater(t, r.Published.Aggregates, 1000)
	for _, s := range r.Subscribers {
		require.Positive(t, s.Letters)
		require.Positive(t, s.Failed)
		require.Greater(t, s.Handled, 1000)
		require.Zero(t, s.CutOff)
	}
	require.Contains(t, r.String(), "oracle: every promise is kept\npublished: 8577 ok, 0 unknown (0 of them untold), 0 refused;")
	require.Contains(t, r.String(), "town.audit: ")
}

// What is replayed comes late by right, whether it is handled then or buried again.
func TestReplaysAreNoFault(t *testing.T) {
	var before int
	r := judged(t, plant{letters: func(r *run) {
		n, err := r.letters.Count(r.Context(), dlq.Filter{})
		require.NoError(r, err)
		result, err := r.letters.Replay(r.Context(), dlq.All, dlq.ReplayOptions{})
		require.NoError(r, err)
		require.Equal(r, n, result.Replayed)
		before = n
		r.quiet()
	}}, permits(60, 2000))
	require.NoError(t, r.Err())
	after := r.Subscribers[0].Letters + r.Subscribers[1].Letters
	require.Greater(t, before, after, "some were handled")
	require.Positive(t, after, "and some buried again")
}

// publishing is a bus whose Publish is another one.
type publishing struct {
	eventbus.EventBus
	publish func(ctx context.Context, events []eventbus.DomainEvent) error
}

func (p *publishing) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	return p.publish(ctx, events)
}

// each lets a fault change the events that go to the bus, one by one.
func each(f func(e eventbus.DomainEvent) []eventbus.DomainEvent) func(eventbus.EventBus) eventbus.EventBus {
	return func(beneath eventbus.EventBus) eventbus.EventBus {
		return &publishing{beneath, func(ctx context.Context, events []eventbus.DomainEvent) error {
			for _, e := range events {
				for _, x := range f(e) {
					if err := beneath.Publish(ctx, x); err != nil {
						return err
					}
				}
			}
			return nil
		}}
	}
}

// only lets a fault happen to one event.
func only(id string, f func(e eventbus.DomainEvent) []eventbus.DomainEvent) func(eventbus.EventBus) eventbus.EventBus {
	return each(func(e eventbus.DomainEvent) []eventbus.DomainEvent {
		if e.ID == id {
			return f(e)
		}
		return []eventbus.DomainEvent{e}
	})
}

// around is a middleware that does something about one event of the audit.
func around(id string, f func(ctx context.Context, next eventbus.Handler, e eventbus.DomainEvent) error) eventbus.Middleware {
	return func(next eventbus.Handler) eventbus.Handler {
		return eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
			if d, _ := eventbus.DeliveryOf(ctx); e.ID == id && d.Subscriber == "audit" {
				return f(ctx, next, e)
			}
			return next.Handle(ctx, e)
		})
	}
}

// lying stores everything, and says of task-8 that it did not.
func lying(beneath eventbus.EventBus) eventbus.EventBus {
	return &publishing{beneath, func(ctx context.Context, es []eventbus.DomainEvent) error {
		err := beneath.Publish(ctx, es...)
		for i, e := range es {
			if e.ID == "task-8" {
				failed := eventbus.EventError{Index: i, ID: e.ID, Type: e.Type, Err: eventbus.ErrRefused}
				return &eventbus.PublishError{Total: len(es), Failed: []eventbus.EventError{failed}}
			}
		}
		return err
	}}
}

func events(es ...eventbus.DomainEvent) []eventbus.DomainEvent { return es }

// Each fault is found, as a breach of the right promise and of no other, and told so
// that it can be understood.
func TestPlantedFaults(t *testing.T) {
	leaked := make(chan struct{})
	var file *os.File
	t.Cleanup(func() { close(leaked); file.Close() })
	for name, c := range map[string]struct {
		plant plant
		want  string
		tells []string
	}{
		"the bus loses an event": {
			plant{bus: only("task-8", func(eventbus.DomainEvent) []eventbus.DomainEvent { return nil })},
			"I1", []string{"oracle: broken: I1", "I1 (nothing accepted is lost) by town.audit is broken: 1 events are neither handled nor buried",
				"of permit/case-", ", ID task-8: published at ", "by worker-1 (pid ", "no handler has seen it"},
		},
		"acked and not handled": {
			plant{outside: around("task-8", func(context.Context, eventbus.Handler, eventbus.DomainEvent) error { return nil })},
			"I1", []string{"town.audit", "ID task-8"},
		},
		"a letter is lost": {
			plant{letters: func(r *run) {
				for l, err := range r.letters.List(r.Context(), dlq.Filter{Subscriber: "audit"}) {
					require.NoError(r, err)
					n, err := r.letters.Discard(r.Context(), l.ID)
					require.NoError(r, err)
					require.Equal(r, 1, n)
					return
				}
			}},
			"I1", []string{"town.audit is broken: 1 events are neither", "begun 3 times, failed last at ", "the register is closed"},
		},
		"a letter is doubled": {
			plant{
				bus: only("task-8", func(e eventbus.DomainEvent) []eventbus.DomainEvent { return events(e, e) }),
				inside: around("task-8", func(context.Context, eventbus.Handler, eventbus.DomainEvent) error {
					return eventbus.Permanent(os.ErrInvalid)
				}),
			},
			"I1", []string{"1 events have more than one letter", "ID task-8:\n      letter ", "buried at ", "as handler error, 1 attempts, 0 replays"},
		},
		"the order is turned": {
			plant{bus: func(beneath eventbus.EventBus) eventbus.EventBus {
				return &publishing{beneath, func(ctx context.Context, es []eventbus.DomainEvent) error {
					turned := make([]eventbus.DomainEvent, 0, len(es))
					for i := range es {
						turned = append(turned, es[len(es)-1-i])
					}
					return beneath.Publish(ctx, turned...)
				}}
			}},
			"I2", []string{"I2 (each aggregate in order) by town.audit is broken: ", "its handling began at ", "before #1, ID task-", ", was handled at ", "more of this aggregate"},
		},
		"later events pass one that is retried": {
			plant{unordered: true}, "I2", []string{"I2 (each aggregate in order) by town.audit is broken: ", "its handling began at ", "  - and "},
		},
		"an event is stored twice": {
			plant{bus: only("task-9", func(e eventbus.DomainEvent) []eventbus.DomainEvent { return events(e, e) })},
			"I3", []string{"I3 (repeats within the bound) by town.audit is broken: 1 repeats, and 0 are allowed:", "ID task-9: handled 2 times: at "},
		},
		"a handler that succeeded is called again": {
			plant{outside: around("task-9", func(ctx context.Context, next eventbus.Handler, e eventbus.DomainEvent) error {
				_ = next.Handle(ctx, e)
				return next.Handle(ctx, e)
			})},
			"I3", []string{"by town.audit", "ID task-9"},
		},
		"a payload is changed": {
			plant{bus: only("task-8", func(e eventbus.DomainEvent) []eventbus.DomainEvent {
				return events(e.WithData(e.ContentType, []byte(`{"activity":"none"}`)))
			})},
			"I4", []string{"I4 (nothing invented) by town.audit is broken: 1 events are not what was published", "ID task-8", "\n      published permit.", "\n      received  permit.", "with checksum "},
		},
		"a content type is changed": {
			plant{bus: only("task-8", func(e eventbus.DomainEvent) []eventbus.DomainEvent {
				return events(e.WithData("application/cbor", e.Data()))
			})},
			"I4", []string{"application/json with", "application/cbor with"},
		},
		"an event is made up": {
			plant{bus: only("task-8", func(e eventbus.DomainEvent) []eventbus.DomainEvent { return events(e, e.WithID("task-0815")) })},
			"I4", []string{"1 events were received that nobody published", "ID task-0815, handled at "},
		},
		"a refused event is stored": {
			plant{bus: lying},
			"I4", []string{"1 events were received of which Publish said that they were refused", "ID task-8: refused at "},
		},
		"a goroutine is left": {
			plant{leak: func() { go func() { <-leaked }() }},
			"I6", []string{"I6 (nothing left over) is broken: 1 goroutines are left over after ", "in state chan receive", "oracle_test.TestPlantedFaults"},
		},
		"a file is left open": {
			plant{leak: func() { file, _ = os.Open(os.Args[0]) }},
			"I6", []string{"1 files are still open after ", os.Args[0]},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := judged(t, c.plant, permits(60, 400))
			require.Equal(t, c.want, broken(r), "%s", r)
			for _, tell := range c.tells {
				require.Contains(t, r.String(), tell)
			}
			require.Less(t, strings.Count(r.String(), "\n"), 80, "it is readable")
		})
	}
}
