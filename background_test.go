package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

// beneath is a memory bus whose Publish does something first, and is noted.
type beneath struct {
	*memory.Bus
	before func(ctx context.Context, events []eventbus.DomainEvent) error

	mu    sync.Mutex
	calls [][]string
}

func (b *beneath) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	b.mu.Lock()
	b.calls = append(b.calls, aggregates(events))
	before := b.before
	b.mu.Unlock()
	if before != nil {
		if err := before(ctx, events); err != nil {
			return err
		}
	}
	return b.Bus.Publish(ctx, events...)
}

// taken returns the calls so far, and forgets them.
func (b *beneath) taken() [][]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls
	b.calls = nil
	return calls
}

func aggregates(events []eventbus.DomainEvent) (ids []string) {
	for i := range events {
		ids = append(ids, events[i].AggregateID)
	}
	return ids
}

// failures are what Failed was told.
type failures struct {
	mu     sync.Mutex
	events []string
	errs   []error
}

func (f *failures) add(_ context.Context, e eventbus.DomainEvent, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events, f.errs = append(f.events, e.AggregateID), append(f.errs, err)
}

// gate lets nothing through until it is closed, or the context ends.
func gate(way <-chan struct{}) func(context.Context, []eventbus.DomainEvent) error {
	return func(ctx context.Context, _ []eventbus.DomainEvent) error {
		select {
		case <-way:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("gate: %w", ctx.Err())
		}
	}
}

// rig is a background bus over a memory bus.
type rig struct {
	*eventbus.BackgroundBus
	beneath *beneath
	told    *failures
}

func newRig(t *testing.T, o eventbus.BackgroundOptions, m memory.Options) *rig {
	t.Helper()
	bus, err := memory.New(m)
	require.NoError(t, err)
	r := &rig{beneath: &beneath{Bus: bus}, told: &failures{}}
	if o.Failed == nil {
		o.Failed = r.told.add
	}
	r.BackgroundBus, err = eventbus.Background(r.beneath, o)
	require.NoError(t, err)
	return r
}

// bubble runs the test in virtual time, and shuts the bus down at its end.
func bubble(t *testing.T, o eventbus.BackgroundOptions, m memory.Options, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, o, m)
		test(t, r)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = r.Shutdown(ctx)
		s := r.Stats()
		require.Equal(t, s.Queued, s.Published+s.Failed, "%+v", s)
	})
}

// publish queues one event for each of the aggregates, in a call of its own.
func (r *rig) publish(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		require.NoError(t, r.Publish(t.Context(), order(id)))
	}
}

type wordKey struct{}

func named(ctx context.Context, word string) context.Context {
	return context.WithValue(ctx, wordKey{}, word)
}

func TestBackgroundCollectsWhileItHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := make(chan struct{})
		r := newRig(t, eventbus.BackgroundOptions{}, memory.Options{})
		r.beneath.before = gate(way)
		r.publish(t, "a")
		synctest.Wait()
		r.publish(t, "b", "c", "b")
		synctest.Wait()
		require.Equal(t, eventbus.BackgroundStats{Queued: 4, UnderWay: 1, Waiting: 3}, r.Stats())
		close(way)
		synctest.Wait()
		require.Equal(t, [][]string{{"a"}, {"b", "c", "b"}}, r.beneath.taken())
		require.Equal(t, eventbus.BackgroundStats{Queued: 4, Published: 4}, r.Stats())
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// Each Publish beneath has the values of the context that its events came with, and
// neither its end nor its deadline.
func TestBackgroundKeepsTheValuesOfTheContext(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	bubble(t, eventbus.BackgroundOptions{}, memory.Options{}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		r.beneath.before = func(ctx context.Context, events []eventbus.DomainEvent) error {
			<-way
			if _, bounded := ctx.Deadline(); bounded || ctx.Err() != nil {
				return errors.New("this context ends")
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range events {
				seen[events[i].AggregateID], _ = ctx.Value(wordKey{}).(string)
			}
			return nil
		}
		for i := range 200 {
			ctx, cancel := context.WithTimeout(named(t.Context(), fmt.Sprint("v", i)), time.Second)
			require.NoError(t, r.Publish(ctx, order(fmt.Sprint("v", i)), order(fmt.Sprint("v", i))))
			cancel()
		}
		close(way)
		synctest.Wait()
		require.Equal(t, uint64(400), r.Stats().Published)
		require.Len(t, seen, 200)
		for id, word := range seen {
			require.Equal(t, id, word)
		}
	})
}

// Events of one aggregate are handed over in order, also with contexts that differ,
// and so are those that have the same context.
func TestBackgroundKeepsOrder(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{Bound: 100}, memory.Options{}, func(t *testing.T, r *rig) {
		var mu sync.Mutex
		got := map[string][]int64{}
		_, err := r.Subscribe(t.Context(), eventbus.Subscriber{Name: "log", Events: []string{"#"}, Concurrency: 1,
			Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
				mu.Lock()
				defer mu.Unlock()
				got[e.AggregateID] = append(got[e.AggregateID], e.AggregateVersion)
				got["caller "+e.ActorID] = append(got["caller "+e.ActorID], int64(e.SchemaVersion))
				return nil
			})})
		require.NoError(t, err)
		require.NoError(t, r.Start(t.Context()))
		r.beneath.before = func(context.Context, []eventbus.DomainEvent) error { <-time.After(time.Millisecond); return nil }
		const callers, each = 8, 300
		var all sync.WaitGroup
		for c := range callers {
			all.Go(func() {
				caller := fmt.Sprint(c)
				own := named(t.Context(), caller)
				for n := range each {
					e := order("own-" + fmt.Sprint(c, n%7)).WithActor(caller).WithVersion(int64(n))
					e.SchemaVersion = 2*n + 1
					require.NoError(t, r.Publish(own, e))
					// the same aggregate under contexts that differ every time
					other := order("shared-" + caller).WithActor(caller + "'").WithVersion(int64(n))
					other.SchemaVersion = n
					require.NoError(t, r.Publish(named(t.Context(), fmt.Sprint(n)), other))
				}
			})
		}
		all.Wait()
		<-time.After(time.Hour)
		synctest.Wait()
		require.Equal(t, uint64(2*callers*each), r.Stats().Published, r.told.errs)
		mu.Lock()
		defer mu.Unlock()
		for who, versions := range got {
			require.IsIncreasing(t, versions, who)
		}
		require.Len(t, got["shared-3"], each)
		require.Len(t, got["caller 3"], each)
	})
}

func TestBackgroundTakesACopy(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{}, memory.Options{}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		r.beneath.before = gate(way)
		events := []eventbus.DomainEvent{order("a"), order("b")}
		require.NoError(t, r.Publish(t.Context(), events...))
		events[0], events[1].AggregateID, events[1].Type = order("x"), "y", ""
		close(way)
		synctest.Wait()
		require.Equal(t, [][]string{{"a", "b"}}, r.beneath.taken())
		require.Empty(t, r.told.errs)
	})
}

// What comes without ID and time gets them when it is published, not later.
func TestBackgroundFillsInAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := make(chan struct{})
		r := newRig(t, eventbus.BackgroundOptions{}, memory.Options{})
		began := time.Now()
		r.beneath.before = func(_ context.Context, events []eventbus.DomainEvent) error {
			<-way
			if events[0].ID == "" || !events[0].Time.Equal(began) || events[0].AggregateType != "a" {
				return fmt.Errorf("%w: %+v", eventbus.ErrRefused, events[0])
			}
			return nil
		}
		require.NoError(t, r.Publish(t.Context(), eventbus.DomainEvent{Type: "a.b"}))
		time.Sleep(time.Hour)
		close(way)
		require.NoError(t, r.Shutdown(t.Context()))
		require.Empty(t, r.told.errs)
	})
}
