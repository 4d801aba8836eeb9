package memory

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// What is sent arrives as it was sent, in that order, with rising numbers.
func TestOrder(t *testing.T) {
	in := open(t, BrokerOptions{})
	s := join(t, in, "shop.mailer", "order.*")
	event := &eventbus.DomainEvent{ID: "e-1"}
	first := message("order.created", "0")
	first.Event, first.Header, first.Body = event, []wire.Field{{Name: "eventbus-attempts", Value: "2"}}, []byte("body")
	send(t, in, first)
	send(t, in, orders("1", "2", "3")...)
	send(t, in, orders("4")...)

	ds := receive(t, s, 2)
	require.Equal(t, []string{"0", "1"}, keys(ds), "at most as many as asked for")
	ds = append(ds, receive(t, s, 100)...)
	require.Equal(t, numbers(5), keys(ds))
	require.Equal(t, first, ds[0].Message)
	for i, d := range ds {
		require.Equal(t, engine.Origin{Topic: "order", N: uint64(i + 1)}, d.Origin)
		require.Zero(t, d.Redelivered)
		require.NoError(t, d.Err)
	}
}

// A group gets what its patterns select, each group all of it; a group's own
// address reaches no other.
func TestRouting(t *testing.T) {
	in := open(t, BrokerOptions{})
	sources := map[string]*source{
		"exact":  join(t, in, "shop.exact", "order.created"),
		"order":  join(t, in, "shop.order", "order.*"),
		"paid":   join(t, in, "shop.paid", "*.paid", "#.settled"),
		"all":    join(t, in, "shop.all", "#", "order.*"),
		"nobody": join(t, in, "shop.nobody", "user.created"),
	}
	for _, c := range []struct {
		m    engine.Message
		want []string
	}{
		{message("order.created", ""), []string{"all", "exact", "order"}},
		{message("order.paid", ""), []string{"all", "order", "paid"}},
		{message("order.item.settled", ""), []string{"all", "paid"}},
		{message("basket.emptied", ""), []string{"all"}},
		{engine.Message{To: engine.Address{Topic: "order", Group: "shop.exact"}, Type: "order.paid"}, []string{"exact"}},
		{engine.Message{To: engine.Address{Group: "shop.nobody"}}, []string{"nobody"}},
		// of an unknown type: whoever could want one of the topic's
		{engine.Message{To: engine.Address{Topic: "order"}}, []string{"all", "exact", "order", "paid"}},
		{engine.Message{To: engine.Address{Topic: "user"}}, []string{"all", "nobody", "paid"}},
	} {
		for range 2 { // the second time by a route that is known
			send(t, in, c.m)
			var got []string
			var numbers []uint64
			for name, s := range sources {
				if ready(s.queue) == 0 {
					continue
				}
				ds := receive(t, s, 10)
				require.Len(t, ds, 1, "once for each group")
				require.Equal(t, c.m, ds[0].Message)
				got, numbers = append(got, name), append(numbers, ds[0].Origin.N)
				ack(t, s, ds...)
			}
			slices.Sort(got)
			require.Equal(t, c.want, got, "%+v", c.m)
			require.Len(t, slices.Compact(numbers), 1, "one number for one message")
		}
	}
}

func TestUnknownGroupIsRefused(t *testing.T) {
	in := open(t, BrokerOptions{})
	s := join(t, in, "shop.mailer", "#")
	ms := orders("1", "2", "3")
	ms[1].To.Group = "shop.maller"
	errs := in.Send(t.Context(), ms)
	require.Len(t, errs, 3)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], eventbus.ErrRefused)
	require.ErrorIs(t, errs[1], eventbus.ErrInvalid)
	require.ErrorContains(t, errs[1], `"shop.maller"`)
	require.NoError(t, errs[2])
	require.Equal(t, []string{"1", "3"}, keys(receive(t, s, 10)))
}

// Nothing is retained: without a group an event is accepted and gone; a group
// starts when it is joined and goes on without a member.
func TestGroupsOutliveMembers(t *testing.T) {
	in := open(t, BrokerOptions{})
	send(t, in, orders("0")...)
	m := joinMember(t, in, "shop.mailer", "order.*")
	send(t, in, orders("1")...)
	require.NoError(t, m.Close(t.Context()))
	send(t, in, orders("2")...)
	s := join(t, in, "shop.mailer", "order.*")
	send(t, in, orders("3")...)
	require.Equal(t, []string{"1", "2", "3"}, keys(receive(t, s, 10)))
}

// Members with other patterns add theirs, also to routes that are known.
func TestPatternsAdd(t *testing.T) {
	in := open(t, BrokerOptions{})
	s := join(t, in, "shop.mailer", "order.created")
	send(t, in, message("order.paid", "0"))
	join(t, in, "shop.mailer", "order.paid")
	send(t, in, message("order.paid", "1"), message("order.created", "2"))
	require.Equal(t, []string{"1", "2"}, keys(receive(t, s, 10)))
}

// However many publishers there are, all groups see one order.
func TestGroupsSeeOneOrder(t *testing.T) {
	in := open(t, BrokerOptions{})
	a, b := join(t, in, "shop.a", "#"), join(t, in, "shop.b", "#")
	const publishers, each = 8, 200
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for i := range each {
				in.Send(t.Context(), orders(fmt.Sprintf("%d/%d", p, i)))
			}
		})
	}
	all.Wait()
	got := receive(t, a, publishers*each)
	require.Len(t, got, publishers*each)
	require.Equal(t, keys(got), keys(receive(t, b, publishers*each)))
	require.True(t, slices.IsSortedFunc(got, func(x, y *engine.Delivery) int { return int(x.Origin.N) - int(y.Origin.N) }))
}

// A stream of types that never come again does not grow the table.
func TestHostileTypes(t *testing.T) {
	b := newBroker(t, BrokerOptions{})
	in := newInstance(b)
	s := join(t, in, "shop.all", "#")
	for i := range knownTypes + 100 {
		send(t, in, message(fmt.Sprintf("order.t%d", i), ""))
	}
	require.Len(t, b.table.Load().types, knownTypes)
	require.Equal(t, knownTypes+100, ready(s.queue), "those beyond are routed all the same")
	other := join(t, in, "shop.other", "order.*")
	require.Empty(t, b.table.Load().types)
	send(t, in, message("order.t0", ""))
	require.Equal(t, 1, ready(other.queue))
}

func TestInject(t *testing.T) {
	b := newBroker(t, BrokerOptions{})
	in := newInstance(b)
	created, paid := join(t, in, "shop.created", "order.created"), join(t, in, "shop.paid", "order.paid")
	header := []wire.Field{{Name: "ce_id", Value: "1"}, {Name: "ce_type", Value: "order.created"}}
	require.NoError(t, b.Inject("order", header, []byte("{}")))
	require.Equal(t, 1, ready(created.queue))
	require.Zero(t, ready(paid.queue))
	require.NoError(t, b.Inject("order", header[:1], []byte("{}")))
	require.Equal(t, 1, ready(paid.queue))
	got := receive(t, created, 2)[0]
	require.Equal(t, header, got.Header)
	require.Equal(t, []byte("{}"), got.Body)
}

func TestAllOrNone(t *testing.T) {
	in := open(t, BrokerOptions{Capacity: 1, WhenFull: FailWhenFull})
	a, b := join(t, in, "shop.a", "order.created"), join(t, in, "shop.b", "order.*")
	send(t, in, message("order.paid", "1"))
	errs := in.Send(t.Context(), orders("2"))
	var full *FullError
	require.ErrorAs(t, errs[0], &full)
	require.Equal(t, FullError{Group: "shop.b", Waiting: 1, Capacity: 1, Members: 1}, *full)
	require.Zero(t, ready(a.queue))
	require.Zero(t, taken(a.queue))
	ack(t, b, receive(t, b, 1)...)
	send(t, in, orders("3")...)
	require.Equal(t, []string{"3"}, keys(receive(t, a, 10)))
}
