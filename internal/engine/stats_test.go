package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// At rest the counters add up, whatever became of the events, and the observer was
// told of as many.
func TestCountersAddUpAtRest(t *testing.T) {
	for name, unordered := range map[string]bool{"ordered": false, "unordered": true} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{}, func(r *rig) {
				gate, _ := r.gate()
				_, source := r.join(eventbus.Subscriber{
					Unordered: unordered, Events: []string{"order.*"}, Unmatched: eventbus.SkipUnmatched,
					Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
						d, _ := eventbus.DeliveryOf(ctx)
						switch e.ID {
						case "fails":
							return errBoom
						case "fails once":
							if d.Attempt == 1 {
								return errBoom
							}
						case "permanent":
							return eventbus.Permanent(errBoom)
						case "no case":
							return eventbus.ErrUnknownType
						case "panics":
							panic("oh no")
						case "stuck":
							<-gate
						}
						return nil
					}),
				})
				r.fake.always(func(_ context.Context, ms []Message) []error {
					for _, m := range ms {
						source.feed(&Delivery{Message: m}) // its time is not waited for
					}
					return nil
				})
				source.feed(deliveries("a:1", "a:fails", "b:fails once", "c:permanent", "d:no case", "e:panics", "f:stuck", "g:8")...)
				bad := deliveries("h:bad")[0]
				bad.Err = errBoom
				source.feed(bad, deliver(order("i", "old").WithExpiry(time.Now())), deliver(eventbus.NewRaw("user.created", "j", "", nil)))
				pass(10 * time.Minute)
				st := r.stats()
				moved := map[bool]uint64{false: 0, true: 5}[unordered]
				require.Equal(r, eventbus.SubscriberStats{
					Group: "default", Subscriber: "mailer",
					Received: 11 + moved, Acked: 11 + moved, Handled: 3, Skipped: 2, Moved: moved, Buried: 6,
					Attempts: 12, Failed: 9, Retried: 5, Stuck: 1,
				}, st)
				require.Equal(r, st.Acked, st.Handled+st.Skipped+st.Moved+st.Buried)
				require.Len(r, saw(r.seen, &r.seen.handled), int(st.Attempts))
				require.Len(r, saw(r.seen, &r.seen.retried), int(st.Retried))
				require.Len(r, saw(r.seen, &r.seen.buried), int(st.Buried))
				require.Len(r, saw(r.seen, &r.seen.skipped), int(st.Skipped))
				require.Len(r, r.buried(), int(st.Buried))
				var failed int
				for _, h := range saw(r.seen, &r.seen.handled) {
					require.Equal(r, "default mailer", h.Group+" "+h.Subscriber)
					if h.Err != nil {
						failed++
					}
				}
				require.Equal(r, int(st.Failed), failed)
			})
		})
	}
}

func TestGroupsAreManagedWhereTheBackendCan(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, err := r.Groups(r.Context())
		require.ErrorIs(r, err, errors.ErrUnsupported)
		require.ErrorIs(r, r.DeleteGroup(r.Context(), "default.x"), errors.ErrUnsupported)
		require.ErrorIs(r, r.ResetGroup(r.Context(), "default.x", eventbus.Now()), errors.ErrUnsupported)
		admin := &administered{fake: r.fake}
		r.Bus.backend.Transport = admin
		groups, err := r.Groups(r.Context())
		require.NoError(r, err)
		require.Equal(r, []string{"default.x"}, groups)
		require.NoError(r, r.DeleteGroup(r.Context(), "default.x"))
		require.Equal(r, "default.x", admin.deleted)
		require.NoError(r, r.ResetGroup(r.Context(), "default.y", eventbus.Now()))
		require.Equal(r, "default.y", admin.reset)
		admin.err = errBoom
		_, err = r.Groups(r.Context())
		require.ErrorContains(r, err, "eventbus: groups: boom")
		require.ErrorContains(r, r.DeleteGroup(r.Context(), "default.x"), `eventbus: delete group "default.x": boom`)
		require.ErrorContains(r, r.ResetGroup(r.Context(), "default.x", eventbus.Now()), `eventbus: reset group "default.x": boom`)
	})
}

func TestTheBackendIsLookedAtWhereItCanBe(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, err := r.Topics(r.Context())
		require.ErrorIs(r, err, errors.ErrUnsupported)
		_, err = r.Group(r.Context(), "default.x")
		require.ErrorIs(r, err, errors.ErrUnsupported)
		s := &surveyed{fake: r.fake}
		r.Bus.backend.Transport = s
		topics, err := r.Topics(r.Context())
		require.NoError(r, err)
		require.Equal(r, []eventbus.TopicInfo{{Name: "order", Length: 7}}, topics)
		info, err := r.Group(r.Context(), "default.x")
		require.NoError(r, err)
		require.Equal(r, eventbus.GroupInfo{Name: "default.x", Backlog: eventbus.Backlog{Lag: 3}}, info)
		s.err = errBoom
		_, err = r.Topics(r.Context())
		require.EqualError(r, err, "eventbus: topics: boom")
		_, err = r.Group(r.Context(), "default.x")
		require.EqualError(r, err, `eventbus: group "default.x": boom`)
	})
}

type surveyed struct {
	*fake
	err error
}

func (s *surveyed) Topics(context.Context) ([]eventbus.TopicInfo, error) {
	return []eventbus.TopicInfo{{Name: "order", Length: 7}}, s.err
}

func (s *surveyed) Group(_ context.Context, group string) (eventbus.GroupInfo, error) {
	return eventbus.GroupInfo{Name: group, Backlog: eventbus.Backlog{Lag: 3}}, s.err
}

type administered struct {
	*fake
	deleted, reset string
	err            error
}

func (a *administered) Groups(context.Context) ([]string, error) { return []string{"default.x"}, a.err }
func (a *administered) DeleteGroup(_ context.Context, group string) error {
	a.deleted = group
	return a.err
}

func (a *administered) ResetGroup(_ context.Context, group string, _ eventbus.Start) error {
	a.reset = group
	return a.err
}

func TestBadOptionsMakeNoBus(t *testing.T) {
	_, err := New(Backend{}, eventbus.Options{Group: "a.b"})
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	require.ErrorContains(t, err, "eventbus: options: group")
	_, err = New(Backend{}, eventbus.Options{})
	require.ErrorContains(t, err, "store: required")
	virtual(t, settings{options: eventbus.Options{Middleware: []eventbus.Middleware{func(eventbus.Handler) eventbus.Handler { return nil }}}}, func(r *rig) {
		_, err := r.Subscribe(r.Context(), eventbus.Subscriber{Name: "x", Events: []string{"#"}, Handler: eventbus.HandlerFunc(succeed)})
		require.ErrorContains(r, err, "middleware[0]: must not return a nil handler")
	})
}
