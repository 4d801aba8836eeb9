package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// sending is a Send under way.
type sending struct {
	done chan struct{}
	errs []error
}

func start(ctx context.Context, in *instance, ms ...engine.Message) *sending {
	s := &sending{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.errs = in.Send(ctx, ms)
	}()
	synctest.Wait()
	return s
}

func (s *sending) waits() bool {
	synctest.Wait()
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// Waiting or under way, an event takes room until it is acked.
func TestSendWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{Capacity: 2})
		s := join(t, in, "shop.mailer", "order.*")
		send(t, in, orders("0", "1")...)
		third := start(t.Context(), in, orders("2")...)
		require.True(t, third.waits())
		send(t, in, message("user.created", "goes to no full group"))
		ds := receive(t, s, 2)
		require.True(t, third.waits(), "received is not acked")
		ack(t, s, ds[0])
		require.False(t, third.waits())
		require.Nil(t, third.errs)
		require.Equal(t, []string{"2"}, keys(receive(t, s, 10)))
	})
}

// Who came first is served first, and nobody overtakes those who wait.
func TestRoomIsGivenInTheOrderOfComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{Capacity: 1})
		s := join(t, in, "shop.mailer", "#")
		send(t, in, orders("0")...)
		var line []*sending
		for _, key := range []string{"1", "2", "3"} {
			line = append(line, start(t.Context(), in, orders(key)...))
		}
		for i := range 6 {
			require.True(t, line[i].waits())
			ds := receive(t, s, 10)
			require.Equal(t, []string{fmt.Sprint(i)}, keys(ds))
			require.NoError(t, s.Ack(t.Context(), receipts(ds)))
			line = append(line, start(t.Context(), in, orders(fmt.Sprint(i+4))...)) // as soon as there is room
			require.False(t, line[i].waits())
			require.True(t, line[i+3].waits(), "it came last")
		}
		require.NoError(t, in.Close(t.Context()))
	})
}

// A batch that is larger than the bound goes in piece by piece, in order.
func TestBatchBeyondCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{Capacity: 3})
		s := join(t, in, "shop.mailer", "#")
		all := start(t.Context(), in, orders(numbers(10)...)...)
		var got []string
		for len(got) < 10 {
			synctest.Wait()
			require.LessOrEqual(t, taken(s.queue), 3)
			ds := receive(t, s, 2)
			got = append(got, keys(ds)...)
			ack(t, s, ds...)
		}
		require.False(t, all.waits())
		require.Nil(t, all.errs)
		require.Equal(t, numbers(10), got)
	})
}

// When the context ends, the event that waits is refused, and all behind it; but
// not what needs no room.
func TestRefusedForWantOfRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{Capacity: 2})
		s := join(t, in, "shop.mailer", "order.*")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ms := append(orders(numbers(3)...), message("user.created", "3"), message("order.paid", "4"))
		beyond(ms[4:])
		sent := start(ctx, in, ms...)
		require.True(t, sent.waits())
		ack(t, s, receive(t, s, 0)[0]) // 0 makes room for 2
		require.False(t, sent.waits())
		require.Nil(t, sent.errs)

		sent = start(ctx, in, ms...)
		<-sent.done
		require.Len(t, sent.errs, 5)
		for i := range 4 {
			var full *FullError
			require.ErrorAs(t, sent.errs[i], &full, "%d", i)
			require.ErrorIs(t, sent.errs[i], eventbus.ErrFull)
			require.ErrorIs(t, sent.errs[i], eventbus.ErrRefused)
			require.ErrorIs(t, sent.errs[i], context.DeadlineExceeded)
			require.Equal(t, "shop.mailer", full.Group)
		}
		require.NoError(t, sent.errs[4])
		require.Equal(t, []string{"1", "2", "4", "4"}, keys(receive(t, s, 10)))
	})
}

func TestFailWhenFull(t *testing.T) {
	in := open(t, BrokerOptions{Capacity: 2, WhenFull: FailWhenFull})
	m := joinMember(t, in, "shop.mailer", "#")
	errs := in.Send(t.Context(), orders(numbers(4)...))
	require.Equal(t, []error{nil, nil}, errs[:2])
	require.ErrorIs(t, errs[2], eventbus.ErrFull)
	require.EqualError(t, errs[2], "full: group shop.mailer holds the 2 events that Capacity allows, and 2 of them wait: "+
		"its members (1) do not keep up; quicken the handler, or raise Concurrency or Capacity")
	require.Equal(t, errs[2], errs[3])
	require.NoError(t, m.Close(t.Context()))
	require.ErrorContains(t, in.Send(t.Context(), orders("5"))[0], "it has no member; Subscribe one, or remove it with DeleteGroup")
}

// What waits for no bound is taken at once, and counted; it takes room all the
// same.
func TestBeyond(t *testing.T) {
	in := open(t, BrokerOptions{Capacity: 2, WhenFull: FailWhenFull})
	s := join(t, in, "shop.mailer", "#")
	send(t, in, beyond(orders("0", "1"))...)
	gauges := func() engine.Gauges {
		g, err := in.Gauge(t.Context())
		require.NoError(t, err)
		return g
	}
	require.Equal(t, engine.Gauges{Waiting: map[string]int{"shop.mailer": 2}}, gauges())
	again := orders("2")
	again[0].To.Group = "shop.mailer"
	send(t, in, beyond(append(again, orders("3")...))...)
	require.Equal(t, engine.Gauges{Waiting: map[string]int{"shop.mailer": 4}, BeyondBound: 2}, gauges())
	ds := receive(t, s, 10)
	for i := range 3 {
		require.ErrorIs(t, in.Send(t.Context(), orders("4"))[0], eventbus.ErrFull, "%d acked of four", i)
		ack(t, s, ds[i])
	}
	send(t, in, orders("4")...)
	require.Equal(t, engine.Gauges{Waiting: map[string]int{"shop.mailer": 1}, BeyondBound: 2}, gauges())
}

// A publisher that gives up leaves no trace: neither in the line nor in the room
// of the other groups of its event.
func TestGivingUpLeaksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{Capacity: 1})
		free, full := join(t, in, "shop.free", "order.created"), join(t, in, "shop.full", "#")
		send(t, in, message("order.paid", "0"))
		ctx, cancel := context.WithCancel(t.Context())
		var all []*sending
		for range 5 {
			all = append(all, start(ctx, in, orders("given up")...))
		}
		patient := start(t.Context(), in, orders("1")...)
		cancel()
		for _, s := range all {
			<-s.done
			require.ErrorIs(t, s.errs[0], context.Canceled)
		}
		require.True(t, patient.waits())
		require.Equal(t, 1, full.queue.room.line.Len()+free.queue.room.line.Len())
		ack(t, full, receive(t, full, 10)...)
		require.False(t, patient.waits())
		require.Nil(t, patient.errs)
		for _, s := range []*source{free, full} {
			ds := receive(t, s, 10)
			require.Equal(t, []string{"1"}, keys(ds))
			ack(t, s, ds...)
			require.Zero(t, taken(s.queue))
		}
	})
}

// Room that is given to somebody who gives up at that moment goes to the next.
func TestRoomIsPassedOn(t *testing.T) {
	q := newQueue("shop.mailer", newBroker(t, BrokerOptions{Capacity: 1}))
	q.room.taken = 1
	place, given := q.room.wait()
	_, next := q.room.wait()
	q.room.giveBack(1)
	<-given
	q.room.leave(place, given)
	<-next
	require.Equal(t, 1, q.room.taken)
	require.Zero(t, q.room.line.Len())
}

// Events to both groups, to one and to the other, all of them wanting room at
// once: they neither block one another for ever nor starve.
func TestNoPublishersWaitForEachOther(t *testing.T) {
	in := open(t, BrokerOptions{Capacity: 1})
	sources := []*source{join(t, in, "shop.a", "order.both", "order.a"), join(t, in, "shop.b", "order.both", "order.b")}
	const each = 300
	var all sync.WaitGroup
	for _, name := range []string{"order.a", "order.both", "order.b", "order.both"} {
		all.Go(func() {
			for range each {
				in.Send(t.Context(), []engine.Message{message(name, name)})
			}
		})
	}
	for _, s := range sources {
		all.Go(func() {
			for range 3 * each {
				ds, err := s.Receive(t.Context(), 1)
				if err != nil {
					t.Error(err)
					return
				}
				s.Ack(t.Context(), receipts(ds))
			}
		})
	}
	all.Wait()
	for _, s := range sources {
		require.Zero(t, taken(s.queue))
	}
}

// The end of the instance ends its waits, with nothing stored.
func TestEndOfInstanceEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, BrokerOptions{Capacity: 1})
		in, other := newInstance(b), newInstance(b)
		s := join(t, other, "shop.mailer", "#")
		send(t, in, orders("0")...)
		waiting := start(t.Context(), in, orders("1")...)
		require.NoError(t, in.Close(t.Context()))
		require.False(t, waiting.waits())
		require.ErrorIs(t, waiting.errs[0], eventbus.ErrClosed)
		require.ErrorIs(t, waiting.errs[0], eventbus.ErrRefused)
		require.Equal(t, []string{"0"}, keys(receive(t, s, 10)))
	})
}

func TestSendAfterTheEnd(t *testing.T) {
	b := newBroker(t, BrokerOptions{})
	s := join(t, newInstance(b), "shop.mailer", "#")
	in := newInstance(b)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range in.Send(over, beyond(orders("0", "1"))) {
		require.ErrorIs(t, err, eventbus.ErrRefused)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, in.Close(t.Context()))
	errs := in.Send(t.Context(), beyond(orders("0", "1")))
	require.Len(t, errs, 2)
	for _, err := range errs {
		require.ErrorIs(t, err, eventbus.ErrClosed)
		require.ErrorIs(t, err, eventbus.ErrRefused)
	}
	_, err := in.Join(t.Context(), engine.Group{Name: "shop.mailer"})
	require.ErrorIs(t, err, eventbus.ErrClosed)
	require.Zero(t, ready(s.queue))
}

// Messages of one address have one shard; a group's own address and the topics
// have different ones.
func TestShard(t *testing.T) {
	in := open(t, BrokerOptions{})
	seen := map[uint32]bool{}
	for i := range 1000 {
		topic, group := engine.Address{Topic: fmt.Sprint(i)}, engine.Address{Topic: "order", Group: fmt.Sprint(i)}
		require.Equal(t, in.Shard(topic, "a"), in.Shard(topic, "b"))
		require.GreaterOrEqual(t, in.Shard(topic, ""), uint32(shards))
		require.Less(t, in.Shard(group, ""), uint32(shards))
		seen[in.Shard(topic, "")], seen[in.Shard(group, "")] = true, true
	}
	require.Len(t, slices.Collect(func(yield func(uint32) bool) {
		for n := range seen {
			if !yield(n) {
				return
			}
		}
	}), 2*shards)
}
