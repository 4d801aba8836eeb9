package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/fault"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

func TestRabbitCountsWhatNoQueueWants(t *testing.T) {
	r := sharedRabbit(t)
	bus, strict := r.bus(rabbitbus.Options{}), r.bus(rabbitbus.Options{RequireRoute: true})
	r.subscribed(bus, eventbus.Subscriber{Handler: &handled{}})
	const each = 200
	var all sync.WaitGroup
	for g := range 16 { // returns and confirms of many that share lanes
		all.Go(func() {
			for i := range each {
				wanted := (i+g)%3 != 0
				e := anOrder(fmt.Sprintf("o-%d-%d", g, i))
				e.AggregateID = e.ID
				if !wanted {
					e.Type, e.AggregateType = "invoice.created", "invoice"
				}
				if err := bus.Publish(t.Context(), e); err != nil {
					t.Errorf("publish: %v", err)
				}
				err := strict.Publish(t.Context(), e)
				if wanted && err != nil || !wanted && !(errors.Is(err, rabbitbus.ErrUnroutable) && errors.Is(err, eventbus.ErrRefused)) {
					t.Errorf("publish %s: %v", e.Type, err)
				}
			}
		})
	}
	all.Wait()
	unwanted := 0
	for g := range 16 {
		for i := range each {
			if (i+g)%3 == 0 {
				unwanted++
			}
		}
	}
	require.EqualValues(t, unwanted, bus.Unroutable())
	require.Equal(t, 2*(16*each-unwanted), r.ready("0"))
}

func TestRabbitOthersReadWhatIsPublished(t *testing.T) {
	r := sharedRabbit(t)
	bus := r.bus(rabbitbus.Options{})
	r.subscribed(bus, eventbus.Subscriber{Handler: &handled{}})
	e := anOrder("o-1")
	e.Time = time.Date(2024, 2, 29, 12, 0, 0, 5, time.UTC)
	require.NoError(t, bus.Publish(t.Context(), e))
	require.NoError(t, r.do(func(ch *amqp.Channel) error {
		m, ok, err := ch.Get(r.at.Prefix+".shop.mailer.0", true)
		require.True(t, ok)
		require.Equal(t, "hello", string(m.Body))
		require.Equal(t, []any{"text/plain", "o-1", "order.created", amqp.Persistent, e.Time.Unix(), r.at.Prefix, "order.created"},
			[]any{m.ContentType, m.MessageId, m.Type, m.DeliveryMode, m.Timestamp.Unix(), m.Exchange, m.RoutingKey})
		for name, want := range map[string]string{
			"cloudEvents_specversion": "1.0", "cloudEvents_id": "o-1", "cloudEvents_type": "order.created",
			"cloudEvents_subject": "a1", "cloudEvents_time": "2024-02-29T12:00:00.000000005Z", "cloudEvents_source": "/shop",
		} {
			require.Equal(t, want, m.Headers[name], name)
		}
		return err
	}))
}

func TestRabbitLosesAConfirm(t *testing.T) {
	r, b := aloneRabbit(t)
	bus := r.bus(rabbitbus.Options{URL: b.Proxied().URL})
	r.subscribed(bus, eventbus.Subscriber{Handler: &handled{}})
	require.NoError(t, bus.Publish(t.Context(), anOrder("before")))
	swallowed := b.Proxy().SwallowReply("unknown", fault.ThenCut)
	require.ErrorIs(t, bus.Publish(t.Context(), anOrder("unknown")), eventbus.ErrUnknown)
	<-swallowed
	require.Equal(t, 2, r.ready("0"), "stored, and once")
	require.NoError(t, bus.Publish(t.Context(), anOrder("after")))

	// Where no connection comes about, nothing is unknown.
	b.Proxy().Cut()
	short := r.bus(rabbitbus.Options{URL: b.Proxied().URL, Options: eventbus.Options{PublishTimeout: time.Second}})
	err := short.Publish(t.Context(), anOrder("refused"))
	require.ErrorIs(t, err, eventbus.ErrRefused)
	require.NotErrorIs(t, err, eventbus.ErrUnknown)
}

func TestRabbitIsTooSmallForAnEvent(t *testing.T) {
	r := sharedRabbit(t)
	bus := r.bus(rabbitbus.Options{Options: eventbus.Options{MaxBytes: 64 << 20}})
	large, small := eventbus.NewRaw("order.created", "a1", "application/octet-stream", make([]byte, 17<<20)), anOrder("o-2")
	err := bus.Publish(t.Context(), large)
	require.ErrorIs(t, err, eventbus.ErrTooLarge)
	require.ErrorIs(t, err, eventbus.ErrRefused)
	require.NoError(t, bus.Publish(t.Context(), small))
}

// While the server is short of memory it takes nothing, and everything else goes on.
func TestRabbitIsShortOfMemory(t *testing.T) {
	r, b := aloneRabbit(t)
	bus := r.bus(rabbitbus.Options{})
	var got handled
	gate := make(chan struct{})
	r.running(bus, eventbus.Subscriber{Concurrency: 1, Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
		if e.ID == "o-0" {
			<-gate
		}
		return got.Handle(ctx, e)
	})})
	for i := range 5 {
		require.NoError(t, bus.Publish(t.Context(), anOrder(fmt.Sprintf("o-%d", i))))
	}
	alarm(b, "0")
	publish := func(id string) error {
		begun := time.Now()
		err := bus.Publish(t.Context(), anOrder(id))
		require.Less(t, time.Since(begun), 5*time.Second)
		return err
	}
	require.ErrorIs(t, publish("first"), rabbitbus.ErrBlocked)
	require.ErrorIs(t, publish("second"), rabbitbus.ErrBlocked)
	require.ErrorIs(t, publish("third"), eventbus.ErrRefused)
	require.ErrorIs(t, bus.Health(t.Context()), rabbitbus.ErrBlocked)
	close(gate)
	require.Eventually(t, func() bool { return len(got.times()) == 5 }, 10*time.Second, time.Millisecond, "handling goes on")
	require.Eventually(t, func() bool { _, s := statsOf(t, bus); return s.Acked == 5 }, 10*time.Second, time.Millisecond)

	alarm(b, "0.6")
	require.Eventually(t, func() bool { return publish("later") == nil }, 20*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return got.times()["later"] == 1 }, 10*time.Second, time.Millisecond)

	alarm(b, "0")
	require.Error(t, publish("last"))
	begun := time.Now()
	require.NoError(t, bus.Shutdown(t.Context()))
	require.Less(t, time.Since(begun), 4*time.Second)
	alarm(b, "0.6")
}

func alarm(b *broker.Broker, watermark string) {
	ctl(b, "set_vm_memory_high_watermark", watermark)
}

func statsOf(t *testing.T, bus eventbus.Inspector) (eventbus.Stats, eventbus.SubscriberStats) {
	t.Helper()
	s, err := bus.Stats(t.Context())
	require.NoError(t, err)
	return s, s.Subscribers[0]
}
