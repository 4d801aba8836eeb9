package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

type created struct {
	Total int `json:"total"`
}

func (created) EventType() string { return "order.created" }

type impostor struct{}

func (impostor) EventType() string { return "order.created" }

// failures returns the outcome of each event of a call.
func failures(t *testing.T, err error) map[int]error {
	t.Helper()
	var all *eventbus.PublishError
	require.ErrorAs(t, err, &all)
	byIndex := map[int]error{}
	for _, f := range all.Failed {
		byIndex[f.Index] = f.Err
	}
	return byIndex
}

func TestPublishTellsTheOutcomeOfEachEvent(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		t.Run(fmt.Sprintf("immediate=%v", immediate), func(t *testing.T) {
			virtual(t, settings{traits: Traits{Immediate: immediate}}, func(r *rig) {
				r.fake.answer(func(context.Context, []Message) []error {
					return []error{nil, fmt.Errorf("%w: closed topic", eventbus.ErrRefused), eventbus.ErrUnknown, errBoom}
				})
				err := r.Publish(r.Context(), order("a", "0"), order("a", "1"), order("a", "2"), order("a", "3"))
				byIndex := failures(r.T, err)
				require.Len(r, byIndex, 3)
				require.ErrorIs(r, byIndex[1], eventbus.ErrRefused)
				require.ErrorIs(r, byIndex[2], eventbus.ErrUnknown)
				require.NotErrorIs(r, byIndex[2], eventbus.ErrRefused)
				require.ErrorIs(r, byIndex[3], eventbus.ErrRefused, "what is not said to be unknown was not stored")
				require.ErrorIs(r, byIndex[3], errBoom)

				st, err := r.Stats(r.Context())
				require.NoError(r, err)
				require.Equal(r, []uint64{1, 2, 1}, []uint64{st.Published, st.Refused, st.Unknown})
				var ids []string
				for _, p := range saw(r.seen, &r.seen.published) {
					ids = append(ids, fmt.Sprint(p.Event.ID, p.Err == nil))
				}
				require.Equal(r, []string{"0true", "1false", "2false", "3false"}, ids)
			})
		})
	}
}

func TestOneBadEventAndNothingIsSent(t *testing.T) {
	good := order("a", "good")
	for name, c := range map[string]struct {
		bad   eventbus.DomainEvent
		field string
	}{
		"type":    {eventbus.NewRaw("order..created", "a", "", nil), "type"},
		"ID":      {order(strings.Repeat("x", 201), "1"), "aggregate_id"},
		"twin":    {order("b", "good"), "id"},
		"payload": {eventbus.NewRaw("order.created", "a", "application/json", []byte("{")), "payload"},
		"size":    {eventbus.NewRaw("order.created", "a", "", make([]byte, 1<<20)), ""},
		"pointer": {eventbus.New("a", &created{}), "payload"},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{}, func(r *rig) {
				byIndex := failures(r.T, r.Publish(r.Context(), good, c.bad, order("c", "2")))
				require.Len(r, byIndex, 3)
				for _, i := range []int{0, 2} {
					require.ErrorIs(r, byIndex[i], eventbus.ErrHeldBack)
					require.ErrorIs(r, byIndex[i], eventbus.ErrRefused)
				}
				require.ErrorIs(r, byIndex[1], eventbus.ErrRefused)
				require.ErrorIs(r, byIndex[1], eventbus.ErrInvalid)
				require.NotErrorIs(r, byIndex[1], eventbus.ErrHeldBack)
				var invalid *eventbus.ValidationError
				if c.field == "" {
					require.ErrorIs(r, byIndex[1], eventbus.ErrTooLarge)
				} else {
					require.ErrorAs(r, byIndex[1], &invalid)
					require.Equal(r, c.field, invalid.Field)
				}
				require.Empty(r, r.fake.sent())
			})
		})
	}
}

func TestEventsWithOneIDFromTwoSourcesAreNoTwins(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		one, two := order("a", "1"), order("a", "1")
		two.Source = "/elsewhere"
		require.NoError(r, r.Publish(r.Context(), one, two))
		require.Len(r, r.fake.sent(), 1)
	})
}

func TestPublishFillsInWhatIsMissing(t *testing.T) {
	virtual(t, settings{traits: Traits{Reference: true}}, func(r *rig) {
		events := []eventbus.DomainEvent{{Type: "order.created"}}
		require.NoError(r, r.Publish(r.Context(), events...))
		m := r.fake.sent()[0].ms[0]
		require.NotEmpty(r, m.Event.ID)
		require.Equal(r, "/default", m.Event.Source)
		require.False(r, m.Event.Time.IsZero())
		require.Equal(r, Address{Topic: "order"}, m.To)
		require.Equal(r, eventbus.DomainEvent{Type: "order.created"}, events[0], "the caller's slice is not changed")
	})
}

func TestStrictNames(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{StrictNames: true}}, func(r *rig) {
		require.NoError(r, r.Publish(r.Context(), eventbus.NewRaw("order.created", "", "", nil)))
		for _, name := range []string{"created", "Order.Created", "order.item.added", "order.Created"} {
			err := r.Publish(r.Context(), eventbus.NewRaw(name, "", "", nil))
			require.ErrorIs(r, err, eventbus.ErrInvalid, name)
		}
		other := eventbus.NewRaw("order.created", "", "", nil)
		other.AggregateType = "parcel"
		require.ErrorIs(r, r.Publish(r.Context(), other), eventbus.ErrInvalid)
		require.Len(r, r.fake.sent(), 1)
	})
}

func TestPayloadAndEventTypesAreBoundOneToOne(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		require.NoError(r, r.Publish(r.Context(), eventbus.New("a", created{})))
		err := r.Publish(r.Context(), eventbus.New("a", impostor{}))
		require.ErrorContains(r, err, "the event type order.created is bound to the payload type engine.created already")
		require.ErrorIs(r, err, eventbus.ErrInvalid)
		err = r.Publish(r.Context(), eventbus.Named("order.paid", "a", created{}))
		require.ErrorContains(r, err, "bound to order.created already, not to order.paid")
		take := func(context.Context, eventbus.Event[impostor]) error { return nil }
		_, err = r.Subscribe(r.Context(), eventbus.Subscriber{Name: "typed", Handler: eventbus.On(take)})
		require.ErrorIs(r, err, eventbus.ErrInvalid)
		require.Len(r, r.fake.sent(), 1)
	})
}

// What one bus has bound says nothing about another one in the process.
func TestPayloadTypesAreBoundForEachBus(t *testing.T) {
	var one, other types
	var k binding
	e := eventbus.New("a", created{})
	require.NoError(t, k.bind(&one, &e))
	require.NoError(t, k.bind(&other, &e))
	wrong := eventbus.New("a", impostor{})
	require.ErrorIs(t, k.bind(&other, &wrong), eventbus.ErrInvalid)
}

func TestPublishRefusesBadCalls(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		require.NoError(r, r.Publish(r.Context()))
		require.ErrorIs(r, r.Publish(nil, order("a", "1")), eventbus.ErrInvalid) //nolint:staticcheck // the case
		many := slices.Repeat([]eventbus.DomainEvent{order("a", "1")}, maxBatch+1)
		require.ErrorIs(r, r.Publish(r.Context(), many...), eventbus.ErrInvalid)
		over, cancel := context.WithCancelCause(r.Context())
		cancel(errors.New("gone"))
		require.ErrorIs(r, r.Publish(over, order("a", "1")), context.Canceled)
		require.Empty(r, r.fake.sent())
	})
}
