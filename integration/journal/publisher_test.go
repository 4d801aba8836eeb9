package journal

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

// answering is a bus whose Publish returns what it is told to.
type answering struct {
	eventbus.EventBus
	err   error
	calls int
}

func (a *answering) Publish(context.Context, ...eventbus.DomainEvent) error {
	a.calls++
	return a.err
}

func whats(t *testing.T, path string) (out []string) {
	t.Helper()
	log, err := Read(path)
	require.NoError(t, err)
	for _, r := range log.Records {
		out = append(out, fmt.Sprint(r.What, " ", r.EventID))
	}
	return out
}

func TestEachEventOfABatchHasItsOwnOutcome(t *testing.T) {
	failed := func(total int, errs ...error) error {
		p := &eventbus.PublishError{Total: total}
		for i, err := range errs {
			p.Failed = append(p.Failed, eventbus.EventError{Index: i + 1, Err: err})
		}
		return fmt.Errorf("wrapped: %w", p)
	}
	refused := fmt.Errorf("%w: so", eventbus.ErrRefused)
	unknown := fmt.Errorf("%w: so", eventbus.ErrUnknown)
	for name, c := range map[string]struct {
		err  error
		want [3]What
	}{
		"stored":                   {nil, [3]What{Published, Published, Published}},
		"each its own":             {failed(3, refused, unknown), [3]What{Published, Refused, Unknown}},
		"no verdict is unknown":    {failed(3, errors.New("?"), nil), [3]What{Published, Unknown, Unknown}},
		"of another call":          {failed(2, refused), [3]What{Unknown, Unknown, Unknown}},
		"beyond the call":          {failed(3, refused, refused, refused), [3]What{Unknown, Unknown, Unknown}},
		"of none":                  {failed(3), [3]What{Unknown, Unknown, Unknown}},
		"closed":                   {eventbus.ErrClosed, [3]What{Refused, Refused, Refused}},
		"a context that has ended": {context.Canceled, [3]What{Unknown, Unknown, Unknown}},
	} {
		t.Run(name, func(t *testing.T) {
			j, path := open(t, "w")
			bus := &answering{err: c.err}
			err := j.Publisher(bus).Publish(t.Context(), event("a", 1), event("b", 2), event("c", 3))
			require.Equal(t, c.err, err)
			require.Equal(t, []string{
				"attempted a", "attempted b", "attempted c",
				fmt.Sprint(c.want[0], " a"), fmt.Sprint(c.want[1], " b"), fmt.Sprint(c.want[2], " c"),
			}, whats(t, path))
		})
	}
}

func TestThePlaceIsTheVersionOrCounted(t *testing.T) {
	j, path := open(t, "w")
	for _, p := range []*Publisher{j.Publisher(eventbus.Discard()), j.Publisher(eventbus.Discard())} {
		require.NoError(t, p.Publish(t.Context(), event("a", 7), event("b", 0)))
		require.NoError(t, p.Publish(t.Context(), event("c", 0)))
		require.NoError(t, p.Publish(t.Context(), eventbus.Named("order.created", "", 1).WithID("d")))
	}
	log, err := Read(path)
	require.NoError(t, err)
	var places []string
	counters := map[string]bool{}
	for _, r := range log.Records {
		if r.What == Attempted {
			places = append(places, fmt.Sprint(r.EventID, r.Seq, r.Counter != ""))
			counters[r.Counter] = true
		}
	}
	require.Equal(t, []string{"a7 false", "b1 true", "c2 true", "d0 false", "a7 false", "b1 true", "c2 true", "d0 false"}, places)
	require.Len(t, counters, 3, "two publishers count, each its own")
}

func TestNothingIsPublishedThatIsNotWrittenDown(t *testing.T) {
	j := &Journal{file: &counted{}, worker: "w", pid: 1}
	bus := &answering{}
	require.ErrorIs(t, j.Publisher(bus).Publish(t.Context(), event("a", 1)), errDisk)
	require.Zero(t, bus.calls)
	require.ErrorContains(t, j.Publisher(bus).Publish(t.Context(), eventbus.DomainEvent{Type: "order.created"}), "has no ID")
	require.Zero(t, bus.calls)
}

func TestAnOutcomeThatIsNotWrittenDownIsAnError(t *testing.T) {
	j := &Journal{file: &counted{most: 1}, worker: "w", pid: 1}
	err := j.Publisher(&answering{err: eventbus.ErrClosed}).Publish(t.Context(), event("a", 1))
	require.ErrorIs(t, err, errDisk)
	require.ErrorIs(t, err, eventbus.ErrClosed)
}

func TestThePublisherHidesNothing(t *testing.T) {
	bus, err := memory.New(memory.Options{})
	require.NoError(t, err)
	j, _ := open(t, "w")
	_, ok := dlq.Of(j.Publisher(bus))
	require.True(t, ok)
	require.NoError(t, bus.Shutdown(t.Context()))
}
