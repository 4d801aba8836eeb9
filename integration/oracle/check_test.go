package oracle

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// 8,577 events are as many as the real log has.
func TestAHealthyBusKeepsEveryPromise(t *testing.T) {
	base, err := TakeBaseline(t.Context(), Watch{})
	require.NoError(t, err)
	e := trialRun(t, permits(8577), 8577, plant{})
	left, err := base.Left(t.Context())
	require.NoError(t, err)
	e.Left = &left

	report := Check(e)
	require.NoError(t, report.Err())
	require.Contains(t, report.String(), "oracle: every promise is kept\npublished: 8577 ok, 0 unknown")
	require.Equal(t, 85, report.Subscribers[0].Letters)
}

// once lets a fault happen at the first call alone.
func once(fault func(ctx context.Context, bus eventbus.EventBus, events []eventbus.DomainEvent) error) plant {
	done := false
	return plant{fault: func(ctx context.Context, bus eventbus.EventBus, events []eventbus.DomainEvent) error {
		if done {
			return bus.Publish(ctx, events...)
		}
		done = true
		return fault(ctx, bus, events)
	}}
}

func TestAPlantedFaultIsCaught(t *testing.T) {
	for name, c := range map[string]struct {
		ends   int // of 600
		plant  plant
		breaks Invariant
		says   string
	}{
		"an event is lost": {599, once(func(ctx context.Context, bus eventbus.EventBus, es []eventbus.DomainEvent) error {
			return bus.Publish(ctx, es[1:]...)
		}), NothingLost, "I1"},
		"an event is published twice": {601, once(func(ctx context.Context, bus eventbus.EventBus, es []eventbus.DomainEvent) error {
			return errors.Join(bus.Publish(ctx, es...), bus.Publish(ctx, es[0]))
		}), FewRepeats, "I3"},
		"two events of an aggregate change places": {600, once(func(ctx context.Context, bus eventbus.EventBus, es []eventbus.DomainEvent) error {
			turned := make([]eventbus.DomainEvent, len(es))
			for i := range es {
				turned[len(es)-1-i] = es[i]
			}
			return bus.Publish(ctx, turned...)
		}), InOrder, "I2"},
		"an event is invented": {601, once(func(ctx context.Context, bus eventbus.EventBus, es []eventbus.DomainEvent) error {
			return bus.Publish(ctx, append(es[:len(es):len(es)], eventbus.NewRaw(changed, "case-x", "application/json", []byte(`1`)))...)
		}), NothingMadeUp, "I4"},
		"a payload changes on the way": {600, once(func(ctx context.Context, bus eventbus.EventBus, es []eventbus.DomainEvent) error {
			other := eventbus.NewRaw(changed, es[0].AggregateID, "application/json", []byte(`{"n":-1}`))
			other.ID = es[0].ID
			return bus.Publish(ctx, append([]eventbus.DomainEvent{other}, es[1:]...)...)
		}), NothingMadeUp, "I4"},
	} {
		t.Run(name, func(t *testing.T) {
			report := Check(trialRun(t, permits(600), c.ends, c.plant))
			require.Error(t, report.Err())
			require.Len(t, report.Findings, 1, "nothing else is accused")
			require.Equal(t, c.breaks, report.Findings[0].Invariant)
			require.Contains(t, report.String(), "oracle: broken: "+c.says)
		})
	}
}

func TestALetterThatIsLostOrDoubledIsCaught(t *testing.T) {
	e := trialRun(t, permits(600), 600, plant{})
	require.NoError(t, Check(e).Err())
	all := e.Letters
	e.Letters = all[1:]
	require.Equal(t, NothingLost, Check(e).Findings[0].Invariant)
	require.Contains(t, Check(e).String(), all[0].EventID)
	e.Letters = slices.Concat(all, all[:1])
	require.Equal(t, NothingLost, Check(e).Findings[0].Invariant)
}

func TestWhatIsLeftOverIsCaught(t *testing.T) {
	watch := Watch{Patience: 50 * time.Millisecond}
	base, err := TakeBaseline(t.Context(), watch)
	require.NoError(t, err)
	e := trialRun(t, permits(60), 60, plant{})
	end := make(chan struct{})
	defer close(end)
	go func() { <-end }()
	leakFile(t)
	left, err := base.Left(t.Context())
	require.NoError(t, err)
	e.Left = &left
	report := Check(e)
	require.Error(t, report.Err())
	for _, f := range report.Findings {
		require.Equal(t, NothingLeft, f.Invariant)
	}
	require.Contains(t, report.String(), "TestWhatIsLeftOverIsCaught")
	require.Contains(t, report.String(), "/dev/null")
}
