package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func TestWhatWasNotStoredIsSentAgainInOrder(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.answer(only(ErrNotStored, "b", "c", "e"), only(ErrNotStored, "c", "e"))
		r.fake.answer(only(ErrNotStored, "c", "e"))
		p := r.publish(r.Context(), order("a", "1"), order("b", "2"), order("c", "3"), order("d", "4"), order("e", "5"))
		behind := r.publish(r.Context(), order("f", "6"))
		pass(time.Minute)
		require.True(r, p.done() && behind.done())
		require.NoError(r, p.err)
		require.NoError(r, behind.err)
		require.Equal(r, [][]string{{"a", "b", "c", "d", "e"}, {"b", "c", "e"}, {"c", "e"}, {"c", "e"}, {"f"}}, r.fake.keys(),
			"the shard is held meanwhile")
		sent := r.fake.sent()
		for i := 1; i < 4; i++ {
			require.Greater(r, sent[i].at.Sub(sent[i-1].at), 10*time.Millisecond, "it pauses before each")
		}
	})
}

func TestOtherShardsGoOnMeanwhile(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.shards = 2
		r.fake.always(only(ErrNotStored, "a"))
		held := r.publish(r.Context(), order("a", "1"))
		require.NoError(r, r.Publish(r.Context(), order("b", "2")))
		require.False(r, held.done())
		pass(time.Minute)
		require.ErrorIs(r, held.err, eventbus.ErrRefused)
		require.ErrorContains(r, held.err, "tried again until its time was up")
		require.Equal(r, 30*time.Second, held.took)
		tries := len(r.fake.sent())
		pass(time.Hour)
		require.Len(r, r.fake.sent(), tries)
	})
}

func TestAnUnknownOutcomeIsNeverSentAgainForPublishers(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.answer(only(eventbus.ErrUnknown, "a", "b"))
		err := r.Publish(r.Context(), order("a", "1"), order("b", "2"), order("c", "3"))
		require.ErrorIs(r, err, eventbus.ErrUnknown)
		require.NotErrorIs(r, err, eventbus.ErrRefused)
		require.Len(r, r.fake.sent(), 1)

		r.fake.answer(func(context.Context, []Message) []error { return []error{ErrNotStored, eventbus.ErrUnknown} })
		byIndex := failures(r.T, r.Publish(r.Context(), order("a", "1"), order("b", "2")))
		require.Len(r, byIndex, 1)
		require.ErrorIs(r, byIndex[1], eventbus.ErrUnknown)
		require.Equal(r, [][]string{{"a", "b", "c"}, {"a", "b"}, {"a"}}, r.fake.keys())
	})
}

func TestAnUnknownOutcomeOfAMoveIsSentAgain(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.join(eventbus.Subscriber{Unordered: true, Handler: eventbus.HandlerFunc(
			func(context.Context, eventbus.DomainEvent) error { return errBoom })})
		r.fake.answer(fails(eventbus.ErrUnknown), fails(ErrNotStored))
		r.fake.answer(fails(eventbus.ErrUnknown))
		source.feed(deliveries("a:1")...)
		pass(time.Minute)
		require.Len(r, r.fake.sent(), 4)
		for _, b := range r.fake.sent() {
			require.Equal(r, "default.mailer", b.ms[0].To.Group)
		}
		require.Equal(r, []uint64{1}, source.acked())
		require.NotContains(r, r.log.String(), "unsettled", "it was one send to the subscriber")
	})
}

// Nobody but the one whose batch it was is told of its end.
func TestTheEndOfALoneCallerIsItsOwn(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.answer(takes(time.Hour, stored))
		lone := r.publish(r.within(time.Second), order("a", "1"))
		var others []*publishing
		for i := range 10 {
			others = append(others, r.publish(r.Context(), order("b", fmt.Sprint(i))))
		}
		pass(time.Minute)
		require.ErrorIs(r, lone.err, eventbus.ErrUnknown)
		for _, p := range others {
			require.NoError(r, p.err)
			require.Equal(r, time.Second, p.took)
		}
		require.Equal(r, []int{1, 10}, r.fake.sizes())
	})
}

// An outage of the publishing side is told once it is over, and by a Publish: an observer may
// publish in its turn.
func TestThatPublishingWorksAgainIsTold(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		away := []answer{only(ErrNotStored, "a"), only(ErrNotStored, "a"), stored}
		r.fake.answer(away...)
		require.NoError(r, r.Publish(r.Context(), order("a", "1")))
		r.fake.answer(only(eventbus.ErrUnknown, "b"))
		require.ErrorIs(r, r.Publish(r.Context(), order("b", "2")), eventbus.ErrUnknown)
		require.Len(r, saw(r.seen, &r.seen.reconnected), 1, "the second is not over")
		pass(time.Minute)
		require.NoError(r, r.Publish(r.Context(), order("b", "3")))
		require.NoError(r, r.Publish(r.Context(), order("b", "4")))
		told := saw(r.seen, &r.seen.reconnected)
		require.Len(r, told, 2)
		require.Equal(r, 2, told[0].Tries)
		require.Positive(r, told[0].Down)
		require.ErrorIs(r, told[0].Err, ErrNotStored)
		require.Equal(r, eventbus.Reconnected{Tries: 1, Down: time.Minute, Err: told[1].Err}, told[1])
		require.ErrorIs(r, told[1].Err, eventbus.ErrUnknown)
		// Who gave up himself, or what is refused, is no outage.
		r.fake.answer(takes(time.Minute, stored))
		require.ErrorIs(r, r.Publish(r.within(time.Second), order("c", "5")), eventbus.ErrUnknown)
		r.fake.answer(only(eventbus.ErrRefused, "c"))
		require.ErrorIs(r, r.Publish(r.Context(), order("c", "6")), eventbus.ErrRefused)
		require.NoError(r, r.Publish(r.Context(), order("c", "7")))
		require.Len(r, saw(r.seen, &r.seen.reconnected), 2)
	})
}
