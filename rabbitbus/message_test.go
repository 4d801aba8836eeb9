package rabbitbus

import (
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

func aTransport() *transport {
	return newTransport(target{addrs: []string{"nowhere:1"}}, Options{}.withDefaults())
}

func aSource(t *transport) *source {
	return &source{member: &member{transport: t, group: engine.Group{Name: "shop.mailer"}}}
}

// outbound is a message on its way, as the client takes it.
func outbound(t *transport, m *engine.Message) (envelope, amqp.Publishing, error) {
	e, p := t.envelope(m), amqp.Publishing{Headers: amqp.Table{}}
	err := t.fill(&p, &e, m)
	return e, p, err
}

// delivered is how the server hands over what was published.
func delivered(e envelope, p amqp.Publishing) *amqp.Delivery {
	return &amqp.Delivery{
		Headers: p.Headers, ContentType: p.ContentType, MessageId: p.MessageId, Type: p.Type, Timestamp: p.Timestamp,
		Exchange: e.exchange, RoutingKey: e.key, Body: p.Body, DeliveryTag: 7,
	}
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	bus := aTransport()
	long := strings.Repeat("x", 300)
	header := []wire.Field{
		{Name: "ce_id", Value: "e-1"}, {Name: "ce_subject", Value: "a"}, {Name: "ce_time", Value: "2024-02-29T12:00:00Z"},
		{Name: "ce_type", Value: "order.created"}, {Name: "eventbus-attempts", Value: "3"}, {Name: "key", Value: long + "\xff"},
		{Name: "content-type", Value: "text/plain"},
	}
	due := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	for name, to := range map[string]engine.Address{"topic": {Topic: "order"}, "group": {Topic: "order", Group: "shop.mailer"}} {
		m := engine.Message{To: to, Type: "order.created", Header: header, Body: []byte{0, 255}}
		if to.Group != "" {
			m.NotBefore = due
		}
		e, p, err := outbound(bus, &m)
		require.NoError(t, err)
		got := aSource(bus).delivery(delivered(e, p))
		require.Equal(t, header, got.Header, name)
		require.Equal(t, []any{to, "a", "order.created", uint64(7), 0}, []any{got.To, got.Key, got.Type, got.Receipt.N, got.Redelivered})
		require.Equal(t, "order/"+e.place, got.Origin.String())
		require.Equal(t, to.Group != "", got.due.Equal(due))
	}
	_, _, err := outbound(bus, &engine.Message{Header: []wire.Field{{Name: long, Value: "x"}}})
	require.ErrorIs(t, err, eventbus.ErrRefused)
	e, p, err := outbound(bus, &engine.Message{Header: []wire.Field{{Name: "content-type", Value: long}, {Name: "a", Value: "1"}, {Name: "a", Value: "2"}}})
	require.NoError(t, err)
	require.Equal(t, []wire.Field{{Name: "a", Value: "1"}, {Name: "content-type", Value: long}}, aSource(bus).delivery(delivered(e, p)).Header)
}

func TestMessagesOfOthersAreRead(t *testing.T) {
	d := &amqp.Delivery{
		Headers: amqp.Table{
			"cloudEvents:id": "e-1", "cloudEvents_type": "order.created", "cloudEvents_n": int32(7), "cloudEvents_b": true,
			"cloudEvents_time": time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC), "bytes": []byte{255}, "text": []byte("ü"),
			"table": amqp.Table{"a": int64(1)}, "list": []any{"x", int64(2)}, "none": nil,
			"x-death": []any{}, "x-first-death-queue": "q", "x-last-death-reason": "expired", "x-delivery-count": int64(4),
		},
		MessageId: "e-1", Type: "other", CorrelationId: "c", AppId: "app", UserId: "guest", Redelivered: true,
		Exchange: "eventbus", RoutingKey: "order.created",
	}
	bus := aTransport()
	got := aSource(bus).delivery(d)
	require.Equal(t, []wire.Field{
		{Name: "bytes", Value: "/w=="}, {Name: "ce_b", Value: "true"}, {Name: "ce_id", Value: "e-1"}, {Name: "ce_n", Value: "7"},
		{Name: "ce_time", Value: "2024-02-29T12:00:00Z"}, {Name: "ce_type", Value: "order.created"}, {Name: "list", Value: `["x",2]`},
		{Name: "none"}, {Name: "table", Value: `{"a":1}`}, {Name: "text", Value: "ü"},
		{Name: "amqp-app-id", Value: "app"}, {Name: "amqp-correlation-id", Value: "c"}, {Name: "amqp-type", Value: "other"}, {Name: "amqp-user-id", Value: "guest"},
	}, got.Header)
	require.Equal(t, []any{"order", 4}, []any{got.To.Topic, got.Redelivered})

	place := got.Origin.S
	d.Headers["x-delivery-count"] = int64(5)
	require.Equal(t, place, aSource(bus).delivery(d).Origin.S, "the same message")
	d.Body = []byte("x")
	require.NotEqual(t, place, aSource(bus).delivery(d).Origin.S)
}
