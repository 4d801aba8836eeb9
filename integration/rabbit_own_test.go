package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// A retry waits in steps, and is late by the lowest at most; steps that somebody has deleted
// are made again.
func TestRabbitRetriesWaitInSteps(t *testing.T) {
	r := sharedRabbit(t)
	bus := r.bus(rabbitbus.Options{})
	const delay = 1350 * time.Millisecond // a second, 300 ms, 100 ms
	var began []time.Time
	tried := make(chan struct{}, 10)
	r.running(bus, eventbus.Subscriber{
		Unordered: true, Retry: eventbus.RetryPolicy{Attempts: 3, Min: delay, Max: delay, Jitter: -1},
		Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
			began = append(began, time.Now())
			tried <- struct{}{}
			if len(began) < 3 {
				return errors.New("not yet")
			}
			return nil
		}),
	})
	require.NoError(t, bus.Publish(t.Context(), anOrder("o-1")))
	<-tried
	<-tried
	require.GreaterOrEqual(t, r.ready("later.1s"), 0)
	r.deleteQueue("later.300ms")
	r.deleteQueue("later.100ms")
	<-tried
	for i := range 2 {
		waited := began[i+1].Sub(began[i])
		require.GreaterOrEqual(t, waited, delay)
		require.Less(t, waited, delay+time.Second)
	}
	require.Equal(t, -1, r.ready("later.1h"), "what nobody needs is not made")
	require.Eventually(t, func() bool { _, s := statsOf(t, bus); return s.Acked == 3 }, 10*time.Second, time.Millisecond)
}

func TestRabbitVanishes(t *testing.T) {
	r := sharedRabbit(t)
	told := make(chan error, 100)
	var got handled
	bus := r.bus(rabbitbus.Options{Options: eventbus.Options{Observer: eventbus.Observer{
		Reconnected: func(c eventbus.Reconnected) { told <- c.Err },
	}}})
	r.running(bus, eventbus.Subscriber{Handler: &got})
	publish := func(id string) {
		require.NoError(t, bus.Publish(t.Context(), anOrder(id)))
		require.Eventually(t, func() bool { return got.times()[id] == 1 }, 20*time.Second, time.Millisecond, id)
	}
	publish("before")
	r.deleteQueue("0")
	require.ErrorIs(t, <-told, rabbitbus.ErrVanished)
	publish("after the queue")
	r.deleteQueue("members")
	publish("after the members")

	require.NoError(t, r.do(func(ch *amqp.Channel) error { return ch.ExchangeDelete(r.at.Prefix, false, false) }))
	require.Eventually(t, func() bool {
		_ = bus.Publish(t.Context(), anOrder("after the exchange"))
		return got.times()["after the exchange"] > 0
	}, 30*time.Second, 100*time.Millisecond)
	require.Contains(t, r.log.String(), "was deleted and made again")
}

// Whatever ends the connections, nothing is lost, and order stays.
func TestRabbitConnectionsEnd(t *testing.T) {
	r, b := aloneRabbit(t)
	var mu sync.Mutex
	seen := map[string][]int64{}
	handler := eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
		mu.Lock()
		defer mu.Unlock()
		if v := seen[e.AggregateID]; !slices.Contains(v, e.AggregateVersion) {
			seen[e.AggregateID] = append(v, e.AggregateVersion)
		}
		return nil
	})
	bus := r.bus(rabbitbus.Options{URL: b.Proxied().URL, Options: eventbus.Options{Window: 100}})
	r.running(bus, eventbus.Subscriber{Handler: handler, Concurrency: 8})
	const aggregates = 20
	stop := make(chan struct{})
	var publishers sync.WaitGroup
	stored := make([][]int64, aggregates)
	for a := range aggregates {
		publishers.Go(func() {
			for v := int64(1); ; v++ {
				select {
				case <-stop:
					return
				default:
				}
				e := anOrder(fmt.Sprintf("o-%d-%d", a, v))
				e.AggregateID, e.AggregateVersion = fmt.Sprint(a), v
				if err := bus.Publish(t.Context(), e); err == nil {
					stored[a] = append(stored[a], v)
				} else if !errors.Is(err, eventbus.ErrUnknown) {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	total := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, vs := range seen {
			n += len(vs)
		}
		return n
	}
	for i := range 6 {
		before := total()
		require.Eventually(t, func() bool { return total() > before+50 }, 30*time.Second, time.Millisecond)
		switch i % 3 {
		case 0:
			ctl(b, "close_all_connections", "because")
		case 1:
			b.Proxy().Reset()
			b.Proxy().Heal()
		case 2:
			b.Proxy().Cut()
			b.Proxy().Heal()
		}
	}
	close(stop)
	publishers.Wait()
	assert.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		for a := range stored {
			for _, v := range stored[a] {
				if !slices.Contains(seen[fmt.Sprint(a)], v) {
					return false
				}
			}
		}
		return true
	}, 60*time.Second, 50*time.Millisecond, "lost")
	mu.Lock()
	defer mu.Unlock()
	for a := range stored { // what is unknown may be stored late, behind what was published after it
		vs := slices.DeleteFunc(seen[fmt.Sprint(a)], func(v int64) bool { return !slices.Contains(stored[a], v) })
		assert.True(t, slices.IsSorted(vs), "aggregate %d: %v", a, vs)
	}
}

// With many acknowledgements under way, one for each event, none is lost when the bus ends.
func TestRabbitLosesNoAck(t *testing.T) {
	r := sharedRabbit(t)
	bus := r.bus(rabbitbus.Options{})
	r.subscribed(bus, eventbus.Subscriber{Handler: &handled{}})
	const n = 1000
	events := make([]eventbus.DomainEvent, n)
	for i := range events {
		events[i] = anOrder(fmt.Sprintf("o-%04d", i))
		events[i].AggregateID = fmt.Sprint(i)
	}
	require.NoError(t, bus.Publish(t.Context(), events...))
	require.NoError(t, bus.Shutdown(t.Context()))

	var mu sync.Mutex
	times := map[string]int{}
	gate, last := make(chan struct{}), make(chan struct{})
	var begun sync.WaitGroup
	begun.Add(n)
	first := r.bus(rabbitbus.Options{Options: eventbus.Options{Window: n}})
	r.running(first, eventbus.Subscriber{Concurrency: n, Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
		begun.Done()
		<-gate
		if e.ID == events[0].ID {
			<-last // so that none of the others is acknowledged together with those before it
		}
		mu.Lock()
		defer mu.Unlock()
		if times[e.ID]++; len(times) == n-1 {
			close(last)
		}
		return nil
	})})
	begun.Wait()
	close(gate)
	require.NoError(t, first.Shutdown(t.Context()))

	next := r.bus(rabbitbus.Options{})
	var again handled
	r.running(next, eventbus.Subscriber{Handler: &again})
	require.NoError(t, next.Publish(t.Context(), anOrder("marker")))
	require.Eventually(t, func() bool { return again.times()["marker"] == 1 }, 20*time.Second, time.Millisecond)
	require.Len(t, again.times(), 1, "acknowledgements were lost")
}
