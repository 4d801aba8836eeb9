package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// Everything at once, a thousand times: whoever ends the bus, it ends once and in
// order, and everybody gets an answer.
func TestShutdownRacesEverything(t *testing.T) {
	runs := uint64(1000)
	if testing.Short() {
		runs = 50
	}
	for seed := range runs {
		synctest.Test(t, func(t *testing.T) { runRace(t, rand.New(rand.NewPCG(seed, 4))) })
	}
}

func runRace(t *testing.T, rnd *rand.Rand) {
	r := newRig(t, settings{traits: Traits{Immediate: rnd.IntN(2) == 0, Keep: time.Millisecond}})
	handler := eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
		if e.ID == "1" {
			return errBoom
		}
		return r.Publish(ctx, order("b", "9"))
	})
	var subs []*subscription
	for i := range 1 + rnd.IntN(3) {
		sub, source := r.join(eventbus.Subscriber{Name: fmt.Sprint("s", i), Handler: handler})
		source.feed(deliveries("a:1", "a:2", "b:3", "c:4")...)
		if rnd.IntN(3) == 0 {
			source.end()
		}
		subs = append(subs, sub)
	}
	if rnd.IntN(2) == 0 {
		synctest.Wait()
	}
	var wait sync.WaitGroup
	race := func(n int, f func(ctx context.Context) error, allowed ...error) {
		for range n {
			ctx := r.within(time.Duration(1+rnd.IntN(3)) * time.Second)
			wait.Go(func() {
				if err := f(ctx); err != nil && !slices.ContainsFunc(allowed, func(a error) bool { return errors.Is(err, a) }) {
					t.Errorf("%v", err)
				}
			})
		}
	}
	race(3, r.Shutdown)
	for _, s := range subs {
		race(rnd.IntN(3), s.Stop)
	}
	race(3, func(ctx context.Context) error { return r.Publish(ctx, order("p", "1")) }, eventbus.ErrClosed)
	race(2, func(ctx context.Context) error {
		_, err := r.Subscribe(ctx, eventbus.Subscriber{Name: "late", Events: []string{"#"}, Handler: handler})
		return err
	}, eventbus.ErrClosed, eventbus.ErrDuplicate)
	race(1, r.Start, eventbus.ErrStarted, eventbus.ErrClosed)
	race(1, func(ctx context.Context) error { _, err := r.Stats(ctx); return err })
	race(1, r.Health, eventbus.ErrClosed)
	wait.Wait()
	synctest.Wait()
	for _, s := range subs {
		require.True(t, ended(s))
	}
	wrote := r.fake.wrote()
	require.Equal(t, "transport closed", wrote[len(wrote)-1], "%v", wrote)
	require.Equal(t, len(subs)+r.fake.joined("default.late"), count(wrote, "member closed"), "%v", wrote)
	require.Equal(t, 1, count(wrote, "transport closed"), "%v", wrote)
	require.Zero(t, goroutines("work")+goroutines("settle")+goroutines("live"))
}

func count(lines []string, line string) int {
	n := 0
	for _, l := range lines {
		if l == line {
			n++
		}
	}
	return n
}

// A member that joined while the bus was being shut down leaves before the transport
// is closed.
func TestALateMemberLeavesBeforeTheTransportIsClosed(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		gate, open := r.gate()
		r.fake.joining = gate
		var err error
		joined := make(chan struct{})
		go func() {
			defer close(joined)
			_, err = r.Subscribe(r.Context(), eventbus.Subscriber{Name: "late", Events: []string{"#"}, Handler: eventbus.HandlerFunc(succeed)})
		}()
		synctest.Wait()
		time.AfterFunc(time.Second, open)
		require.NoError(r, r.Shutdown(r.Context()))
		<-joined
		require.ErrorIs(r, err, eventbus.ErrClosed)
		require.Equal(r, []string{"member closed", "transport closed"}, r.fake.wrote())
	})
}
