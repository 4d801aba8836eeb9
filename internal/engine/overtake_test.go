package engine

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// What may not be stored, or may be later, is not overtaken by what the same call says
// comes after it.
func TestNothingOfACallIsSentBehindWhatIsNotCertain(t *testing.T) {
	for name, c := range map[string]struct {
		answer answer
		is     error
		took   time.Duration
	}{
		"unknown":    {only(eventbus.ErrUnknown, "b"), eventbus.ErrUnknown, 0},
		"not stored": {only(ErrNotStored, "b"), eventbus.ErrRefused, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{traits: Traits{Batch: 2}}, func(r *rig) {
				r.fake.always(c.answer)
				p := r.publish(r.Context(), order("a", "0"), order("a", "1"), order("a", "2"), order("b", "3"), order("a", "4"), order("b", "5"))
				pass(c.took / 2)
				behind := r.publish(r.Context(), order("a", "6"))
				pass(time.Minute)
				require.Equal(r, c.took, p.took)
				byIndex := failures(r.T, p.err)
				require.Len(r, byIndex, 3)
				require.ErrorIs(r, byIndex[3], c.is)
				for _, i := range []int{4, 5} {
					require.ErrorIs(r, byIndex[i], eventbus.ErrRefused)
					require.ErrorContains(r, byIndex[i], "not sent, as an earlier event of the call was not stored for certain")
				}
				require.NoError(r, behind.err, "it is of another call")
				for _, b := range r.fake.sent() {
					for _, m := range b.ms {
						require.NotContains(r, []string{"4", "5"}, m.Header[1].Value)
					}
				}
			})
		})
	}
}

// What the backend will not have is no reason to do without what it has.
func TestWhatIsRefusedHoldsNothingUp(t *testing.T) {
	virtual(t, settings{traits: Traits{Batch: 2}}, func(r *rig) {
		r.fake.always(only(eventbus.ErrRefused, "b"))
		byIndex := failures(r.T, r.Publish(r.Context(), order("a", "0"), order("b", "1"), order("a", "2"), order("a", "3"), order("a", "4")))
		require.Len(r, byIndex, 1)
		require.ErrorIs(r, byIndex[1], eventbus.ErrRefused)
		require.Equal(r, [][]string{{"a", "b"}, {"a", "a"}, {"a"}}, r.fake.keys())
	})
}

func TestNothingOfACallIsSentAgainBehindWhatIsUnknown(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		lost := func(context.Context, []Message) []error {
			return []error{nil, eventbus.ErrUnknown, ErrNotStored, ErrNotStored}
		}
		r.fake.answer(takes(time.Second, stored), lost)
		lone := r.publish(r.Context(), order("lone", "0"))
		one := r.publish(r.Context(), order("a", "1"), order("a", "2"), order("a", "3"))
		other := r.publish(r.Context(), order("b", "4"))
		pass(time.Minute)
		require.NoError(r, lone.err)
		require.NoError(r, other.err, "nobody has said that it comes after those of another call")
		byIndex := failures(r.T, one.err)
		require.Len(r, byIndex, 2)
		require.ErrorIs(r, byIndex[1], eventbus.ErrUnknown)
		require.ErrorIs(r, byIndex[2], eventbus.ErrRefused)
		require.NotErrorIs(r, byIndex[2], eventbus.ErrUnknown)
		require.Equal(r, [][]string{{"lone"}, {"a", "a", "a", "b"}, {"b"}}, r.fake.keys())
	})
}
