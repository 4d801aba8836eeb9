package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// Calls are used again, but not one that a Send has yet: what comes next would be sent in
// its place, or be told its outcome.
func TestACallThatIsUnderWayIsNotUsedAgain(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		var began, ended []string
		slow := func(_ context.Context, ms []Message) []error {
			began = ids(ms)
			<-after(10 * time.Second)
			ended = ids(ms)
			return nil
		}
		r.fake.always(takes(time.Second, stored))
		r.fake.answer(r.fake.otherwise, slow)
		r.publish(r.Context(), order("a", "1"))
		gone := r.publish(r.within(2*time.Second), orders("b", 2, 3)...)
		pass(3 * time.Second)
		require.ErrorIs(r, gone.err, eventbus.ErrUnknown)
		next := r.publish(r.Context(), orders("c", 5, 3)...)
		pass(8500 * time.Millisecond)
		require.Equal(r, []string{"2", "3", "4"}, began)
		require.Equal(r, began, ended)
		require.False(r, next.done(), "it is being sent")
		pass(time.Second)
		require.True(r, next.done())
		require.NoError(r, next.err)
	})
}

// A time-out that is over when the outcome comes is not that of the next call.
func TestATimeOutIsThatOfOneCall(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{PublishTimeout: 10 * time.Second}}, func(r *rig) {
		for i := range 20 {
			r.fake.answer(takes(5*time.Second, stored), takes(time.Duration(i)*time.Second, stored))
			lone := r.publish(r.Context(), order("a", fmt.Sprint(i)))
			waits := r.publish(r.Context(), order("b", fmt.Sprint(i)))
			pass(time.Minute)
			require.NoError(r, lone.err)
			if i < 5 {
				require.NoError(r, waits.err, i)
			} else if i > 5 {
				require.ErrorIs(r, waits.err, eventbus.ErrUnknown, i)
			}
			require.Equal(r, time.Duration(5+min(i, 5))*time.Second, waits.took, i)
		}
	})
}

func ids(ms []Message) []string {
	var all []string
	for i := range ms {
		all = append(all, ms[i].Header[1].Value)
	}
	return all
}

// A call may be spread over shards: what became of one event is told of that one.
func TestOutcomesAreThoseOfTheirEvents(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.shards = 7
		r.fake.always(only(eventbus.ErrRefused, "b", "d"))
		events := []eventbus.DomainEvent{order("a", "0"), order("b", "1"), order("a", "2"), order("c", "3"), order("d", "4"), order("c", "5"), order("b", "6")}
		byIndex := failures(r.T, r.Publish(r.Context(), events...))
		require.Greater(r, len(r.fake.sent()), 1, "it was spread")
		for i := range events {
			refused := events[i].AggregateID == "b" || events[i].AggregateID == "d"
			require.Equal(r, refused, byIndex[i] != nil, events[i].ID)
		}
	})
}
