package memory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

func newBroker(tb testing.TB, o BrokerOptions) *Broker {
	tb.Helper()
	b, err := NewBroker(o)
	require.NoError(tb, err)
	return b
}

// open returns an instance of a broker of its own.
func open(tb testing.TB, o BrokerOptions) *instance {
	tb.Helper()
	return newInstance(newBroker(tb, o))
}

func joinMember(tb testing.TB, in *instance, group string, patterns ...eventbus.Pattern) engine.Member {
	tb.Helper()
	m, err := in.Join(tb.Context(), engine.Group{Name: group, Patterns: patterns})
	require.NoError(tb, err)
	return m
}

// join joins the group and returns the source of its new member.
func join(tb testing.TB, in *instance, group string, patterns ...eventbus.Pattern) *source {
	tb.Helper()
	s, err := joinMember(tb, in, group, patterns...).Next(tb.Context())
	require.NoError(tb, err)
	src, ok := s.(*source)
	require.True(tb, ok)
	return src
}

// message is one of that event type, with a key to tell it by.
func message(eventType, key string) engine.Message {
	topic, _, _ := strings.Cut(eventType, ".")
	return engine.Message{To: engine.Address{Topic: topic}, Key: key, Type: eventType}
}

// orders are messages of the type order.created with those keys.
func orders(keys ...string) []engine.Message {
	var ms []engine.Message
	for _, key := range keys {
		ms = append(ms, message("order.created", key))
	}
	return ms
}

// beyond returns the messages as a handler would send them.
func beyond(ms []engine.Message) []engine.Message {
	for i := range ms {
		ms[i].Beyond = true
	}
	return ms
}

func numbers(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	return keys
}

func send(tb testing.TB, in *instance, ms ...engine.Message) {
	tb.Helper()
	require.Nil(tb, in.Send(tb.Context(), ms))
}

// receive returns copies of what is ready, which must be something.
func receive(tb testing.TB, s *source, most int) []*engine.Delivery {
	tb.Helper()
	require.NotZero(tb, ready(s.queue), "nothing is ready, and Receive would wait for ever")
	ds, err := s.Receive(tb.Context(), most)
	require.NoError(tb, err)
	var copies []*engine.Delivery // they outlive the ack
	for _, d := range ds {
		mine := *d
		copies = append(copies, &mine)
	}
	return copies
}

func ack(tb testing.TB, s *source, ds ...*engine.Delivery) {
	tb.Helper()
	require.NoError(tb, s.Ack(tb.Context(), receipts(ds)))
}

func receipts(ds []*engine.Delivery) []engine.Receipt {
	var rs []engine.Receipt
	for i := range ds {
		rs = append(rs, ds[i].Receipt)
	}
	return rs
}

func keys(ds []*engine.Delivery) []string {
	var all []string
	for i := range ds {
		all = append(all, ds[i].Key)
	}
	return all
}

func ready(q *queue) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.available()
}

// taken is how much of the bound is used.
func taken(q *queue) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.room.taken
}
