package integration_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// slowly handles some events for three sessions at their first attempt, and all others at once.
type slowly struct {
	t    *testing.T
	slow []string // their IDs

	mu       sync.Mutex
	running  map[string]bool // aggregates
	begun    int
	attempts map[string][]int // of slow events, as they ended
	causes   map[string]error // what ended their first
	handled  map[string]int
}

func (h *slowly) Handle(ctx context.Context, e eventbus.DomainEvent) error {
	h.enter(e)
	defer h.leave(e)
	if d, _ := eventbus.DeliveryOf(ctx); slices.Contains(h.slow, e.ID) {
		cause := h.takeTime(ctx, e.ID)
		h.do(func() { h.attempts[e.ID] = append(h.attempts[e.ID], d.Attempt) })
		if cause != nil {
			return cause
		}
	}
	h.do(func() { h.handled[e.ID]++ })
	return nil
}

// takeTime returns what ended the first attempt, and nil if it has ended by itself.
func (h *slowly) takeTime(ctx context.Context, id string) (cause error) {
	first := false
	h.do(func() {
		h.begun++
		first = h.attempts[id] == nil
	})
	if !first {
		return nil
	}
	select {
	case <-time.After(3 * kafkaSession):
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}
	h.do(func() { h.causes[id] = cause })
	return cause
}

func (h *slowly) do(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// enter holds that nothing else of the aggregate is being handled, by whichever instance.
func (h *slowly) enter(e eventbus.DomainEvent) {
	h.do(func() {
		if h.running[e.AggregateID] {
			h.t.Errorf("%s is handled while another event of %s is", e.ID, e.AggregateID)
		}
		h.running[e.AggregateID] = true
	})
}

func (h *slowly) leave(e eventbus.DomainEvent) { h.do(func() { delete(h.running, e.AggregateID) }) }

// begins reports whether all slow events have been begun.
func (h *slowly) begins() (all bool) {
	h.do(func() { all = h.begun >= len(h.slow) })
	return all
}

// runs reports whether none of them has ended.
func (h *slowly) runs() (all bool) {
	h.do(func() { all = len(h.attempts) == 0 })
	return all
}

// has reports whether all of them were handled.
func (h *slowly) has(ids []string) (all bool) {
	all = true
	h.do(func() {
		for _, id := range ids {
			all = all && h.handled[id] > 0
		}
	})
	return all
}

// A handler that runs for three sessions keeps its member in the group, and its event with the member, also while
// others come and go; its time-out is an attempt as any other; other keys go on.
func TestKafkaHandlerRunsForSessions(t *testing.T) {
	t.Parallel()
	r := newKafkaRig(t)
	slow := []string{keyOf(func(n int) bool { return n%2 == 0 }), keyOf(func(n int) bool { return n%2 == 1 })} // of two members each has one
	newSlowly := func() *slowly {
		return &slowly{t: t, slow: slow, running: map[string]bool{}, attempts: map[string][]int{}, causes: map[string]error{}, handled: map[string]int{}}
	}
	late, patient := newSlowly(), newSlowly()
	serve := func() *kafkabus.Bus {
		bus := r.bus(kafkabus.Options{Options: eventbus.Options{Retry: eventbus.RetryPolicy{Attempts: 3, Min: 10 * time.Millisecond}}})
		for name, s := range map[string]eventbus.Subscriber{
			"late":    {Handler: late, Timeout: 2 * kafkaSession},
			"patient": {Handler: patient, Timeout: 5 * kafkaSession},
		} {
			s.Name, s.Events = name, []string{"order.#"}
			_, err := bus.Subscribe(t.Context(), s)
			require.NoError(t, err)
		}
		require.NoError(t, bus.Start(t.Context()))
		return bus
	}
	bus := serve()
	var all []string
	publish := func(key, id string) {
		require.NoError(t, bus.Publish(t.Context(), eventbus.NewRaw("order.created", key, "text/plain", []byte("x")).WithID(id)))
		all = append(all, id)
	}
	goOn := func(when string, which func(key string) bool) {
		t.Helper()
		var ids []string
		for i := range 50 {
			key := fmt.Sprint("key", i)
			publish(key, key+"-"+when)
			if which(key) {
				ids = append(ids, key+"-"+when)
			}
		}
		require.Eventually(t, func() bool { return late.has(ids) && patient.has(ids) }, kafkaSession, time.Millisecond, "other keys stand still %s", when)
		require.True(t, patient.runs(), "the slow handlers should run still")
	}
	for _, key := range slow {
		publish(key, key)
	}
	require.Eventually(t, func() bool { return late.begins() && patient.begins() }, 20*time.Second, time.Millisecond)
	began := time.Now()
	publish(slow[0], "behind")
	anyKey := func(string) bool { return true }
	goOn("at once", anyKey)
	require.Eventually(t, func() bool { return time.Since(began) > kafkaSession+kafkaSession/4 }, time.Minute, time.Millisecond)
	goOn("after a session", anyKey)
	second := serve() // and the partitions are shared out anew
	goOn("while another joins", func(key string) bool {
		return partitionOf(key) != partitionOf(slow[0]) && partitionOf(key) != partitionOf(slow[1])
	})
	require.NoError(t, second.Shutdown(t.Context()))
	require.Eventually(t, func() bool { return late.has(all) && patient.has(all) }, 4*kafkaSession, time.Millisecond)
	for _, id := range slow {
		require.Equal(t, []int{1, 2}, late.attempts[id])
		require.ErrorIs(t, late.causes[id], eventbus.ErrTimeout)
		require.Equal(t, []int{1}, patient.attempts[id])
	}
	for _, h := range []*slowly{late, patient} {
		for id, n := range h.handled {
			require.Equal(t, 1, n, id)
		}
	}
}

// keyOf is a key whose partition is as it should be, and none of the others'.
func keyOf(is func(partition int) bool) string {
	for i := 0; ; i++ {
		if key := fmt.Sprint("slow", i); is(partitionOf(key)) {
			return key
		}
	}
}

// partitionOf is where the key is, of as many partitions as a topic has by default.
func partitionOf(key string) int {
	all := make([]int, 12)
	for i := range all {
		all[i] = i
	}
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: []byte(key)}, all...)
}
