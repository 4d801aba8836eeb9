package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// slowPair are two members of a group, of which the first has a handler that runs until it is let go. Whoever
// begins the slow event is noted.
type slowPair struct {
	*kafkaRig
	publisher *kafkabus.Bus
	quick     *handled
	begun     atomic.Int32
	letGo     chan struct{}
	published int
}

// The first member is behind the proxy.
func newSlowPair(t *testing.T) *slowPair {
	p := &slowPair{kafkaRig: newKafkaRig(t), quick: &handled{}, letGo: make(chan struct{})}
	join := func(o kafkabus.Options) *kafkabus.Bus {
		o.Grace = 300 * time.Millisecond
		bus := p.bus(o)
		_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"#"}, Handler: eventbus.HandlerFunc(p.handle)})
		require.NoError(t, err)
		require.NoError(t, bus.Start(t.Context()))
		return bus
	}
	p.publisher = join(kafkabus.Options{Dial: (&line{through: p.proxy.Addr()}).dial})
	p.publish("order.created", "slow")
	require.Eventually(t, func() bool { return p.begun.Load() == 1 }, 20*time.Second, time.Millisecond)
	p.publisher = join(kafkabus.Options{})
	return p
}

func (p *slowPair) handle(ctx context.Context, e eventbus.DomainEvent) error {
	if e.ID == "slow" {
		p.begun.Add(1)
		select {
		case <-p.letGo:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return p.quick.Handle(ctx, e)
}

// publish gives each event an aggregate of its own.
func (p *slowPair) publish(kind, id string) {
	p.Helper()
	require.NoError(p, p.publisher.Publish(p.Context(), eventbus.NewRaw(kind, id, "text/plain", []byte("x")).WithID(id)))
	p.published++
}

// ends lets the slow handler go, and holds that everything was handled, and begun, once.
func (p *slowPair) ends() {
	p.Helper()
	require.EqualValues(p, 1, p.begun.Load(), "the slow event is begun again beside itself")
	close(p.letGo)
	require.Eventually(p, func() bool { return len(p.quick.times()) == p.published }, 30*time.Second, 10*time.Millisecond)
	require.EqualValues(p, 1, p.begun.Load(), "the slow event is begun again")
	for id, n := range p.quick.times() {
		require.Equal(p, 1, n, id)
	}
}

// A topic that comes has the group shared out anew, but no member leaves it for that: its running handlers keep
// their events.
func TestKafkaNewTopicsLeaveHandlersAlone(t *testing.T) {
	t.Parallel()
	p := newSlowPair(t)
	for i := range 6 {
		id := fmt.Sprint("one", i)
		p.publish(fmt.Sprintf("kind%d.created", i), id)
		require.Eventually(t, func() bool { return p.quick.times()[id] == 1 }, 30*time.Second, time.Millisecond)
	}
	p.ends()
}

// A member that has lost its connections for less than a session keeps what it works on: who it was leaves the group
// only when it is there again.
func TestKafkaMemberComesBackToItsHandlers(t *testing.T) {
	t.Parallel()
	p := newSlowPair(t)
	goOn := func(when string) {
		handled := len(p.quick.times())
		for i := range 24 {
			p.publish("order.created", fmt.Sprint(when, i))
		}
		require.Eventually(t, func() bool { return len(p.quick.times()) > handled }, 20*time.Second, time.Millisecond)
	}
	goOn("before")
	p.proxy.Cut()
	<-time.After(kafkaSession * 2 / 5)
	p.proxy.Heal()
	goOn("after")
	<-time.After(kafkaSession / 2)
	p.ends()
}

// A bus that is idle is shut down at once, of however many partitions it is.
func TestKafkaManyPartitionsAreGivenBackAtOnce(t *testing.T) {
	t.Parallel()
	p := newKafkaRig(t)
	const partitions = 60
	bus := p.bus(kafkabus.Options{Topics: kafkabus.Topics{Partitions: partitions}, Dial: (&line{through: p.proxy.Addr()}).dial})
	got := &handled{}
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.#"}, Handler: got})
	require.NoError(t, err)
	require.NoError(t, bus.Start(t.Context()))
	const events = 10 * partitions
	for i := range events {
		require.NoError(t, bus.Publish(t.Context(), eventbus.NewRaw("order.created", fmt.Sprint("key", i), "text/plain", []byte("x"))))
	}
	require.Eventually(t, func() bool { return len(got.times()) == events }, time.Minute, time.Millisecond)
	p.proxy.Delay(15*time.Millisecond, 0)
	soon, cancel := context.WithTimeout(t.Context(), 2*time.Second) // one after the other it took twice as long
	defer cancel()
	require.NoError(t, bus.Shutdown(soon))
}

// Who comes is given something to do, also where no handler ends within the grace: a member keeps what it works on, but
// no more than its share for longer than that.
func TestKafkaNewMemberIsGivenItsShare(t *testing.T) {
	t.Parallel()
	r := newKafkaRig(t)
	join := func(h *slowHands) *kafkabus.Bus {
		bus := r.bus(kafkabus.Options{Grace: 100 * time.Millisecond, Topics: kafkabus.Topics{Partitions: 4}})
		_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.#"}, Concurrency: 100, Handler: h})
		require.NoError(t, err)
		require.NoError(t, bus.Start(t.Context()))
		return bus
	}
	first, second := &slowHands{}, &slowHands{}
	bus := join(first)
	const events = 400
	for i := range events {
		e := eventbus.NewRaw("order.created", fmt.Sprint("key", i%40), "text/plain", []byte("x"))
		require.NoError(t, bus.Publish(t.Context(), e))
	}
	require.Eventually(t, func() bool { return first.begun.Load() >= 40 }, 20*time.Second, time.Millisecond)
	join(second)
	require.Eventually(t, func() bool { return second.begun.Load() > 0 }, 30*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return len(first.times())+len(second.times()) == events }, time.Minute, 10*time.Millisecond)
	require.EqualValues(t, events, first.begun.Load()+second.begun.Load(), "something is begun twice")
}

// slowHands take their time, not all the same.
type slowHands struct {
	handled
	begun atomic.Int32
}

func (h *slowHands) Handle(ctx context.Context, e eventbus.DomainEvent) error {
	<-time.After(time.Second + time.Duration(h.begun.Add(1)%10)*100*time.Millisecond)
	return h.handled.Handle(ctx, e)
}

// The attempts at an event that is replayed are counted on where the partition is shared out anew between them, as those of
// any other event.
func TestKafkaCountsAttemptsAtAReplayOverARebalance(t *testing.T) {
	t.Parallel()
	r := newKafkaRig(t)
	var calls atomic.Int32
	join := func() *kafkabus.Bus {
		bus := r.bus(kafkabus.Options{Options: eventbus.Options{Retry: eventbus.RetryPolicy{Attempts: 3, Min: 3 * time.Second, Max: 3 * time.Second}}})
		_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.#"}, Handler: eventbus.HandlerFunc(
			func(context.Context, eventbus.DomainEvent) error {
				calls.Add(1)
				return errors.New("not yet")
			},
		)})
		require.NoError(t, err)
		require.NoError(t, bus.Start(t.Context()))
		return bus
	}
	bus := join()
	q, _ := dlq.Of(bus)
	letters := func(n int) func() bool {
		return func() bool {
			have, err := q.Count(t.Context(), dlq.All)
			return err == nil && have == n
		}
	}
	require.NoError(t, bus.Publish(t.Context(), eventbus.NewRaw("order.created", "a", "text/plain", []byte("x"))))
	require.Eventually(t, letters(1), 30*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 3, calls.Load())
	_, err := q.Replay(t.Context(), dlq.All, dlq.ReplayOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return calls.Load() == 4 }, 20*time.Second, time.Millisecond)
	join()
	require.Eventually(t, letters(1), 30*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 6, calls.Load())
}

// A group that waits for a member that was killed does not hold up another one that leaves.
func TestKafkaLeavesAGroupThatWaitsForTheDead(t *testing.T) {
	t.Parallel()
	r := newKafkaRig(t)
	join := func(h *handled) eventbus.EventBus {
		bus, err := r.open(eventbus.Options{Group: "shop"})
		require.NoError(t, err)
		_, err = bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.#"}, Handler: h})
		require.NoError(t, err)
		require.NoError(t, bus.Start(t.Context()))
		return bus
	}
	first, second := &handled{}, &handled{}
	dies, leaves := join(first), join(second)
	require.Eventually(t, func() bool {
		for i := range 12 {
			require.NoError(t, leaves.Publish(t.Context(), eventbus.NewRaw("order.created", fmt.Sprint("key", i), "text/plain", []byte("x"))))
		}
		return len(first.times()) > 0 && len(second.times()) > 0
	}, 20*time.Second, 20*time.Millisecond, "both have partitions")
	r.crash(dies)
	comes := join(&handled{})
	inspector, ok := leaves.(eventbus.Inspector)
	require.True(t, ok)
	require.Eventually(t, func() bool {
		g, err := inspector.Group(t.Context(), "shop.mailer")
		return err == nil && len(g.Members) == 3
	}, 20*time.Second, 20*time.Millisecond, "the dead one is a member too")
	<-time.After(time.Second) // by then all are joining anew, and wait for it
	soon, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.NoError(t, leaves.Shutdown(soon))
	require.NoError(t, comes.Shutdown(t.Context()))
	gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_ = dies.Shutdown(gone) // it is cut off, and has nothing to say
}
