package redisbus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

func deliveryOf(fields ...string) *engine.Delivery {
	e := streamEntry{id: []byte("1-0")}
	for _, f := range fields {
		e.fields = append(e.fields, []byte(f))
	}
	f := &feedOf{member: &member{group: engine.Group{Name: "shop.mailer"}}, topic: "order"}
	return f.delivery(fromTopic, e, 0)
}

const anEvent = `{"specversion":"1.0","id":"1","type":"order.created","source":"/x"}`

func TestAnEntryIsAnEvent(t *testing.T) {
	d := deliveryOf("ce", anEvent, "data", "x")
	require.NoError(t, d.Err)
	require.Equal(t, "x", string(d.Body))
}

// Nothing of an entry that is no event is lost: fields may come more than once.
func TestAnEntryThatIsNoneKeepsAllFields(t *testing.T) {
	d := deliveryOf("data", "one", "a", "1", "data", "two", "a", "2", "data", "three", "", "")
	require.ErrorIs(t, d.Err, eventbus.ErrUndecodable)
	require.Equal(t, "three", string(d.Body))
	require.Equal(t, []wire.Field{
		{Name: "redis-field-data", Value: "one"}, {Name: "redis-field-a", Value: "1"}, {Name: "redis-field-data", Value: "two"},
		{Name: "redis-field-a", Value: "2"}, {Name: "redis-field-", Value: ""},
	}, d.Header)
}

// Of two envelopes nobody knows which is meant.
func TestAnEntryWithTwoEnvelopesIsNone(t *testing.T) {
	d := deliveryOf("ce", anEvent, "data", "x", "ce", anEvent)
	require.ErrorIs(t, d.Err, eventbus.ErrUndecodable)
	require.ErrorContains(t, d.Err, "ce")
	require.Equal(t, []wire.Field{{Name: "redis-field-ce", Value: anEvent}, {Name: "redis-field-ce", Value: anEvent}}, d.Header)
}
