package memory

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// What was not acked goes back in front, in its old order, whoever had it and
// whoever gives it back first.
func TestGiveBack(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		in := open(t, BrokerOptions{})
		var members [3]*source
		for i := range members {
			members[i] = join(t, in, "shop.mailer", "#")
		}
		send(t, in, orders(numbers(10)...)...)
		var first []engine.Receipt
		for range 2 {
			for _, s := range members {
				first = append(first, receive(t, s, 1)[0].Receipt)
			}
		}
		require.NoError(t, members[1].Ack(t.Context(), first[1:2]))
		for _, i := range order {
			require.NoError(t, members[i].Close(t.Context()))
			require.NoError(t, members[i].Close(t.Context()), "twice does no harm")
		}
		s := join(t, in, "shop.mailer", "#")
		send(t, in, orders("10")...)
		ds := receive(t, s, 1)
		require.Nil(t, s.queue.back[:5][4], "what has gone out again is let go of")
		ds = append(ds, receive(t, s, 100)...)
		require.Equal(t, []string{"0", "2", "3", "4", "5", "6", "7", "8", "9", "10"}, keys(ds), "%v", order)
		for i, d := range ds {
			require.Equal(t, map[bool]int{true: 1, false: 0}[i < 5], d.Redelivered, d.Key)
		}
		require.NoError(t, s.Close(t.Context()))
		require.Equal(t, 2, receive(t, join(t, in, "shop.mailer"), 1)[0].Redelivered)
	}
}

// A receipt is good once, for its own delivery.
func TestAck(t *testing.T) {
	in := open(t, BrokerOptions{})
	s := join(t, in, "shop.mailer", "#")
	send(t, in, orders("0", "1")...)
	first := receive(t, s, 1)
	ack(t, s, first...)
	second := receive(t, s, 1) // in the same slot
	ack(t, s, first...)
	ack(t, s, &engine.Delivery{}, &engine.Delivery{Receipt: engine.Receipt{N: 1<<32 | 77}})
	require.Equal(t, 1, taken(s.queue))
	ack(t, s, second[0], second[0])
	require.Zero(t, taken(s.queue))
	lost, err := s.Keep(t.Context(), receipts(second))
	require.NoError(t, err)
	require.Empty(t, lost)
	require.NoError(t, s.Close(t.Context()))
	require.ErrorIs(t, s.Ack(t.Context(), receipts(second)), engine.ErrGone)
	_, err = s.Receive(t.Context(), 1)
	require.ErrorIs(t, err, engine.ErrGone)
}

func TestReceiveWaits(t *testing.T) {
	for name, c := range map[string]struct {
		end func(in *instance, s *source, cancel func())
		ds  []string
		err error
	}{
		"for an event":   {func(in *instance, _ *source, _ func()) { send(t, in, orders("0")...) }, []string{"0"}, nil},
		"till ctx ends":  {func(_ *instance, _ *source, cancel func()) { cancel() }, nil, context.Canceled},
		"till its close": {func(_ *instance, s *source, _ func()) { s.Close(t.Context()) }, nil, engine.ErrGone},
		"till its crash": {func(in *instance, _ *source, _ func()) { in.crash() }, nil, engine.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := open(t, BrokerOptions{})
				s := join(t, in, "shop.mailer", "#")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var ds []*engine.Delivery
				var err error
				returned := make(chan struct{})
				go func() {
					defer close(returned)
					ds, err = s.Receive(ctx, 10)
				}()
				synctest.Wait()
				require.Equal(t, 1, s.queue.idle)
				c.end(in, s, cancel)
				<-returned
				require.ErrorIs(t, err, c.err)
				require.Equal(t, c.ds, keys(ds))
				require.Zero(t, s.queue.idle)
			})
		})
	}
}

// Two members share the work: nothing is handed over twice, nothing is left, and
// nobody sleeps while something is ready.
func TestMembersShare(t *testing.T) {
	in := open(t, BrokerOptions{Capacity: 50})
	const events, members = 5000, 4
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	seen := map[string]int{}
	var total atomic.Int64
	var receivers sync.WaitGroup
	for range members {
		s := join(t, newInstance(in.broker), "shop.mailer", "#")
		receivers.Go(func() {
			for {
				ds, err := s.Receive(ctx, 3)
				if err != nil {
					return
				}
				mu.Lock()
				for _, key := range keys(ds) {
					seen[key]++
				}
				mu.Unlock()
				s.Ack(ctx, receipts(ds))
				if total.Add(int64(len(ds))) >= events {
					cancel()
				}
			}
		})
	}
	send(t, in, orders(numbers(events)...)...)
	receivers.Wait()
	require.Len(t, seen, events)
	for key, n := range seen {
		require.Equal(t, 1, n, key)
	}
}

// Each of those who wait is woken when there is one event for each, also when one
// of them gives up at that very moment.
func TestEveryIdleReceiverIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{})
		const members = 5
		var got atomic.Int64
		hasty, cancel := context.WithCancel(t.Context())
		for i := range members {
			s := join(t, in, "shop.mailer", "#")
			ctx := t.Context()
			if i < 2 {
				ctx = hasty
			}
			go func() {
				if ds, err := s.Receive(ctx, 1); err == nil {
					got.Add(int64(len(ds)))
				}
			}()
		}
		synctest.Wait()
		cancel()
		send(t, in, orders(numbers(members)...)...)
		synctest.Wait()
		q := in.broker.table.Load().queue("shop.mailer")
		require.Equal(t, members, int(got.Load())+ready(q))
		require.GreaterOrEqual(t, got.Load(), int64(3), "those that stayed")
		require.Zero(t, q.idle)
	})
}

// A receiver that is gone passes on the wake-up that it had swallowed.
func TestWakeUpsAreNotSwallowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			in := open(t, BrokerOptions{})
			dying, staying := newInstance(in.broker), newInstance(in.broker)
			a, b := join(t, dying, "shop.mailer", "#"), join(t, staying, "shop.mailer", "#")
			go a.Receive(t.Context(), 1)
			got := make(chan []string, 1)
			go func() {
				ds, _ := b.Receive(t.Context(), 1)
				got <- keys(ds)
			}()
			synctest.Wait()
			go in.Send(t.Context(), orders("0"))
			go dying.crash()
			require.Equal(t, []string{"0"}, <-got, "whoever had it first")
		}
	})
}

// One who gives back several wakes as many as there are for them, though each is
// only one wake-up by itself.
func TestGiveBackWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{})
		dying := newInstance(in.broker)
		s := join(t, dying, "shop.mailer", "#")
		send(t, in, orders(numbers(3)...)...)
		receive(t, s, 3)
		got := make(chan []string, 3)
		for range cap(got) {
			other := join(t, in, "shop.mailer", "#")
			go func() {
				ds, _ := other.Receive(t.Context(), 1)
				got <- keys(ds)
			}()
		}
		synctest.Wait()
		dying.crash()
		all := slices.Concat(<-got, <-got, <-got)
		slices.Sort(all)
		require.Equal(t, numbers(3), all)
	})
}

// A crash is a give-back by the broker: others go on, the instance cannot.
func TestCrash(t *testing.T) {
	b := newBroker(t, BrokerOptions{})
	in, other := newInstance(b), newInstance(b)
	m := joinMember(t, in, "shop.mailer", "#")
	src, err := m.Next(t.Context())
	require.NoError(t, err)
	send(t, in, orders("0", "1", "2")...)
	ds, err := src.Receive(t.Context(), 2)
	require.NoError(t, err)
	rs := receipts(ds)
	in.crash()
	in.crash()

	_, err = src.Receive(t.Context(), 1)
	require.ErrorIs(t, err, engine.ErrGone)
	require.ErrorIs(t, src.Ack(t.Context(), rs), engine.ErrGone)
	_, err = m.Next(t.Context())
	require.ErrorIs(t, err, engine.ErrGone)
	require.ErrorIs(t, in.Send(t.Context(), orders("3"))[0], eventbus.ErrRefused)
	_, err = in.Join(t.Context(), engine.Group{Name: "shop.mailer"})
	require.ErrorIs(t, err, eventbus.ErrRefused)
	require.NoError(t, src.Close(t.Context()))
	require.NoError(t, m.Close(t.Context()))
	require.NoError(t, in.Close(t.Context()))

	ds = receive(t, join(t, other, "shop.mailer", "#"), 10)
	require.Equal(t, []string{"0", "1", "2"}, keys(ds))
	require.Equal(t, []int{1, 1, 0}, []int{ds[0].Redelivered, ds[1].Redelivered, ds[2].Redelivered})
}

// Nothing holds on to an event that was acked, once the receiver is back.
func TestEventsAreLetGoOf(t *testing.T) {
	in := open(t, BrokerOptions{})
	s := join(t, in, "shop.mailer", "#")
	const n = 2 * spareItems
	var payloads []weak.Pointer[byte]
	func() {
		ms := orders(numbers(n)...)
		for i := range ms {
			data := make([]byte, 64)
			e := eventbus.NewRaw("order.created", "", "text/plain", data)
			ms[i].Event = &e
			payloads = append(payloads, weak.Make(&data[0]))
		}
		ms[0].NotBefore = time.Now().Add(time.Millisecond)
		send(t, in, ms...)
	}()
	for got := 0; got < n; {
		ds, err := s.Receive(t.Context(), n)
		require.NoError(t, err)
		got += len(ds)
		require.NoError(t, s.Ack(t.Context(), receipts(ds)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := s.Receive(ctx, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	runtime.GC()
	held := slices.IndexFunc(payloads, func(p weak.Pointer[byte]) bool { return p.Value() != nil })
	require.Equal(t, -1, held, "somebody still holds this event")
	require.Equal(t, spareItems, s.queue.spares, "what is kept to be used again is bounded")
	runtime.KeepAlive(s)
}

// Publishers, members that come and crash, and the bound, all at once: nothing is
// lost, and no room leaks.
func TestStorm(t *testing.T) {
	b := newBroker(t, BrokerOptions{Capacity: 20})
	groups := []string{"shop.a", "shop.b", "shop.c"}
	const publishers, each = 4, 400
	for _, g := range groups { // they exist from the start
		require.NoError(t, joinMember(t, newInstance(b), g, "#").Close(t.Context()))
	}
	var sending, receiving sync.WaitGroup
	for p := range publishers {
		sending.Go(func() {
			in := newInstance(b)
			for i := range each {
				if errs := in.Send(t.Context(), orders(fmt.Sprintf("%d/%d", p, i))); errs != nil {
					t.Error(errs)
				}
			}
		})
	}
	for _, g := range groups {
		acked := &tally{seen: map[string]bool{}, want: publishers * each, done: make(chan struct{})}
		for range 3 {
			receiving.Go(func() { crashing(t, b, g, acked) })
		}
	}
	sending.Wait()
	receiving.Wait()
	for _, g := range groups {
		q := b.table.Load().queue(g)
		require.Zero(t, taken(q))
		require.Zero(t, q.waiting())
		require.Zero(t, q.idle)
		require.Empty(t, q.members)
	}
}

// tally counts the events that a group has acked.
type tally struct {
	mu   sync.Mutex
	seen map[string]bool
	want int
	done chan struct{}
}

func (a *tally) add(keys []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range keys {
		a.seen[key] = true
	}
	if len(a.seen) == a.want {
		select {
		case <-a.done:
		default:
			close(a.done)
		}
	}
}

// crashing is a member that comes back after each crash, until all is acked.
func crashing(t *testing.T, b *Broker, group string, acked *tally) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		select {
		case <-acked.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	for life := 0; ctx.Err() == nil; life++ {
		in := newInstance(b)
		m, err := in.Join(ctx, engine.Group{Name: group, Patterns: []eventbus.Pattern{"#"}})
		if err != nil {
			return // it is over
		}
		s, err := m.Next(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		for round := 0; ; round++ {
			ds, err := s.Receive(ctx, 7)
			if err != nil {
				break
			}
			if round == life%5 { // it dies with half of them acked
				ds = ds[:len(ds)/2]
			}
			names := keys(ds) // acked, they are the source's again
			if s.Ack(ctx, receipts(ds)) == nil {
				acked.add(names)
			}
			if round == life%5 {
				break
			}
		}
		in.crash()
	}
}
