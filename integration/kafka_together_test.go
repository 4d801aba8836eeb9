package integration_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// stall holds up the first request of its kind that a bus makes after arm, until release. (Those of kafka-go itself have
// version 1.)
type stall struct {
	of       protocol.ApiKey
	armed    atomic.Bool
	held     chan struct{} // closed when it holds one
	released chan struct{}
}

func newStall(of protocol.ApiKey) *stall {
	return &stall{of: of, held: make(chan struct{}), released: make(chan struct{})}
}

func (s *stall) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return &stalled{c, s}, err
}

func (s *stall) arm()     { s.armed.Store(true) }
func (s *stall) release() { close(s.released) }

type stalled struct {
	net.Conn
	by *stall
}

func (c *stalled) Write(b []byte) (int, error) {
	const key, version = 5, 7 // low bytes, behind the length
	if len(b) > version && b[key] == byte(c.by.of) && b[version] > 1 && c.by.armed.CompareAndSwap(true, false) {
		close(c.by.held)
		<-c.by.released
	}
	return c.Conn.Write(b)
}

// A generation may be over before its member has begun with it, since another one came by then. A handler that runs
// through all of them keeps its event nevertheless.
func TestKafkaMembersComeWhileAnotherBegins(t *testing.T) {
	t.Parallel()
	r := newKafkaRig(t)
	begins := newStall(protocol.OffsetFetch)
	var buses []*kafkabus.Bus
	join := func(h eventbus.Handler, o kafkabus.Options) {
		o.Grace = 200 * time.Millisecond
		bus := r.bus(o)
		_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.#"}, Handler: h})
		require.NoError(t, err)
		require.NoError(t, bus.Start(t.Context()))
		buses = append(buses, bus)
	}
	publish := func(aggregate, id string) {
		require.NoError(t, buses[0].Publish(t.Context(), eventbus.NewRaw("order.created", aggregate, "text/plain", []byte("x")).WithID(id)))
	}
	var all []string
	goesOn := func(h *handled, where string) {
		t.Helper()
		before, round := len(h.times()), 0
		require.Eventually(t, func() bool {
			for i := range 24 {
				id := fmt.Sprint(where, "-", round, "-", i)
				publish(fmt.Sprint("key", i), id)
				all = append(all, id)
			}
			round++
			return len(h.times()) > before
		}, 20*time.Second, 20*time.Millisecond, where)
	}
	first, second, third := &handled{}, &handled{}, &handled{}
	begun, ends := make(chan struct{}, 100), make(chan struct{})
	join(eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
		if e.ID == "slow" {
			begun <- struct{}{}
			<-ends
		}
		return first.Handle(ctx, e)
	}), kafkabus.Options{Dial: begins.dial})
	publish("slow", "slow")
	<-begun

	begins.arm()
	join(second, kafkabus.Options{})
	<-begins.held // the first member begins
	goesOn(second, "with two members")
	join(third, kafkabus.Options{})
	goesOn(third, "with three members")
	begins.release()
	goesOn(first, "as the first member has begun")
	close(ends)

	all = append(all, "slow")
	times := map[string]int{}
	require.Eventually(t, func() bool {
		times = map[string]int{}
		for _, h := range []*handled{first, second, third} {
			for id, n := range h.times() {
				times[id] += n
			}
		}
		return len(times) == len(all)
	}, 30*time.Second, 10*time.Millisecond)
	require.Empty(t, begun, "the slow event is handled twice at once")
	for id, n := range times {
		require.Equal(t, 1, n, id)
	}
	for _, bus := range buses {
		soon, cancel := context.WithTimeout(t.Context(), kafkaSession/2)
		require.NoError(t, bus.Shutdown(soon))
		cancel()
	}
}

// An event whose caller has not waited for the outcome may be stored yet: the next one of its aggregate is not before it.
func TestKafkaNothingOvertakesWhatNobodyWaitedFor(t *testing.T) {
	t.Parallel()
	r := newKafkaRig(t)
	stores := newStall(protocol.Produce)
	bus := r.bus(kafkabus.Options{Dial: stores.dial, Topics: kafkabus.Topics{Partitions: 1}})
	publish := func(ctx context.Context, id string) error {
		return bus.Publish(ctx, eventbus.NewRaw("order.created", "a", "text/plain", []byte(id)))
	}
	require.NoError(t, publish(t.Context(), "first"))
	stores.arm()
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, publish(soon, "second"), eventbus.ErrUnknown)
	<-stores.held
	soon, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := publish(soon, "third")
	require.ErrorIs(t, err, eventbus.ErrRefused)
	require.NotErrorIs(t, err, eventbus.ErrUnknown)
	fourth := make(chan error, 1)
	go func() { fourth <- publish(t.Context(), "fourth") }()
	select {
	case err := <-fourth:
		require.Fail(t, "it does not wait", "%v", err)
	case <-time.After(300 * time.Millisecond):
	}
	stores.release()
	require.NoError(t, <-fourth)
	var got []string
	for _, record := range newKafkaProducer(t, r.at.Server).all(r.at.Prefix + ".order") {
		got = append(got, string(record.value))
	}
	require.Equal(t, []string{"first", "second", "fourth"}, got)
}
