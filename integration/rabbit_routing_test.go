package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// types notes the types of what it is handed.
type types struct {
	mu   sync.Mutex
	seen []string
}

func (h *types) Handle(_ context.Context, e eventbus.DomainEvent) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, e.Type)
	return nil
}

func (h *types) sorted() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(slices.Values(h.seen))
}

// Whatever the exchange can tell apart, a subscriber is handed what its patterns want.
func TestRabbitRoutesOverExchangesOfEachType(t *testing.T) {
	for _, kind := range []string{"topic", "direct", "fanout", "headers"} {
		t.Run(kind, func(t *testing.T) {
			r := sharedRabbit(t)
			bus := r.bus(rabbitbus.Options{ExchangeType: kind})
			published := []string{"order.created", "order.paid", "order.line.added", "customer.created"}
			wanted := map[string][]string{ // by pattern
				"order.created": {"order.created"},
				"order.*":       {"order.created", "order.paid"},
				"*.created":     {"customer.created", "order.created"},
				"order.#":       {"order.created", "order.line.added", "order.paid"},
				"#":             {"customer.created", "order.created", "order.line.added", "order.paid"},
			}
			got := map[string]*types{}
			for pattern := range wanted {
				got[pattern] = &types{}
				r.subscribed(bus, eventbus.Subscriber{Name: "n" + strconv.Itoa(len(got)), Events: []string{pattern}, Handler: got[pattern]})
			}
			require.NoError(t, bus.Start(t.Context()))
			for i, kind := range published {
				require.NoError(t, bus.Publish(t.Context(), eventbus.NewRaw(kind, "a"+strconv.Itoa(i), "text/plain", nil)))
			}
			for pattern, want := range wanted {
				require.Eventually(t, func() bool { return len(got[pattern].sorted()) >= len(want) }, 10*time.Second, time.Millisecond, pattern)
			}
			require.NoError(t, bus.Shutdown(t.Context()))
			for pattern, want := range wanted {
				require.Equal(t, want, got[pattern].sorted(), pattern)
			}
			if kind == "fanout" {
				return
			}
			lone := r.bus(rabbitbus.Options{ExchangeType: kind, Prefix: r.at.Prefix + "-lone"})
			r.subscribed(lone, eventbus.Subscriber{Events: []string{"order.created"}, Handler: &types{}})
			require.NoError(t, lone.Publish(t.Context(), eventbus.NewRaw("order.paid", "a", "text/plain", nil)))
			require.EqualValues(t, 1, lone.Unroutable(), "what nobody wants does not come to a queue")
		})
	}
}

// What other programs publish to an exchange of theirs comes in over a binding.
func TestRabbitBindsToOtherExchanges(t *testing.T) {
	r := sharedRabbit(t)
	theirs := r.at.Prefix + "-theirs"
	var got, other handled
	o := rabbitbus.Options{Bindings: []rabbitbus.Binding{{Subscriber: "mailer", Exchange: theirs, Key: "shop.*.created"}}}
	_, err := r.bus(o).Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &got})
	require.ErrorIs(t, err, rabbitbus.ErrTopology)
	require.ErrorContains(t, err, theirs)

	require.NoError(t, r.do(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(theirs, "topic", true, false, false, false, nil)
	}))
	bus := r.bus(o)
	r.subscribed(bus, eventbus.Subscriber{Name: "clerk", Handler: &other})
	r.running(bus, eventbus.Subscriber{Handler: &got})
	require.NoError(t, r.do(func(ch *amqp.Channel) error {
		for _, id := range []string{"e-1", "e-2"} {
			headers := amqp.Table{
				"cloudEvents_specversion": "1.0", "cloudEvents_id": id, "cloudEvents_type": "order.created",
				"cloudEvents_source": "/theirs", "cloudEvents_subject": "o-1",
			}
			if err := ch.PublishWithContext(t.Context(), theirs, "shop.order.created", true, false, amqp.Publishing{Headers: headers}); err != nil {
				return err
			}
		}
		return nil
	}))
	require.Eventually(t, func() bool { return len(got.times()) == 2 }, 10*time.Second, time.Millisecond)
	require.NoError(t, bus.Shutdown(t.Context()))
	require.Empty(t, other.times())
}

// An exchange of others that is deleted under a running bus takes with it what came that way alone:
// when the connection is lost and made again, the rest goes on.
func TestRabbitGoesOnWithoutAnExchangeOfOthers(t *testing.T) {
	r := sharedRabbit(t)
	theirs := r.at.Prefix + "-gone"
	require.NoError(t, r.do(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(theirs, "topic", true, false, false, false, nil)
	}))
	var got handled
	var cut cutter
	bus := r.bus(rabbitbus.Options{Bindings: []rabbitbus.Binding{{Exchange: theirs, Key: "#"}}, Dial: cut.dial})
	r.running(bus, eventbus.Subscriber{Handler: &got})
	require.NoError(t, bus.Publish(t.Context(), anOrder("before")))
	require.Eventually(t, func() bool { return got.times()["before"] == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, r.do(func(ch *amqp.Channel) error { return ch.ExchangeDelete(theirs, false, false) }))
	cut.cut()
	require.Eventually(t, func() bool { return bus.Publish(t.Context(), anOrder("after")) == nil }, 20*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return got.times()["after"] > 0 }, 20*time.Second, time.Millisecond)
	require.Contains(t, r.log.String(), theirs, "and it is told of")
}

// Unbind ends what Subscribe has begun, and nothing else does.
func TestRabbitUnbinds(t *testing.T) {
	r := sharedRabbit(t)
	old := r.bus(rabbitbus.Options{})
	r.running(old, eventbus.Subscriber{Events: []string{"order.paid", "order.created"}, Handler: &types{}})
	require.ErrorIs(t, old.Unbind(t.Context(), "shop.mailer", "order.paid"), eventbus.ErrInvalid, "it is asked for")
	require.NoError(t, old.Shutdown(t.Context()))

	bus := r.bus(rabbitbus.Options{})
	publish := func() {
		t.Helper()
		require.NoError(t, bus.Publish(t.Context(), eventbus.NewRaw("order.paid", "a", "text/plain", nil), anOrder("o-1")))
	}
	r.subscribed(bus, eventbus.Subscriber{Events: []string{"order.created"}, Handler: &types{}})
	publish()
	require.Equal(t, 2, r.ready("0"), "the binding stays")
	require.ErrorIs(t, bus.Unbind(t.Context(), "shop.nobody", "order.paid"), eventbus.ErrInvalid)
	require.ErrorIs(t, bus.Unbind(t.Context(), "shop.mailer", "order..paid"), eventbus.ErrInvalid)
	for range 2 {
		require.NoError(t, bus.Unbind(t.Context(), "shop.mailer", "order.paid"))
	}
	publish()
	require.Equal(t, 3, r.ready("0"), "what waits stays")
	require.EqualValues(t, 1, bus.Unroutable(), "order.paid has no way any more")
}

// One process at a time is handed events: so the order of an aggregate holds across processes, also
// where one of them dies.
func TestRabbitHasASingleActiveConsumer(t *testing.T) {
	r := sharedRabbit(t)
	const events = 2000
	var mu sync.Mutex
	var seen []int
	by := map[string]int{}
	handler := func(who string) eventbus.Handler {
		return eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			mu.Lock()
			defer mu.Unlock()
			n, err := strconv.Atoi(string(e.Data()))
			seen, by[who] = append(seen, n), by[who]+1
			return err
		})
	}
	o := rabbitbus.Options{SingleActiveConsumer: true}
	l := &line{}
	first := o
	first.Dial = l.dial
	r.running(r.bus(first), eventbus.Subscriber{Handler: handler("first")})
	second := r.bus(o)
	r.running(second, eventbus.Subscriber{Handler: handler("second")})
	for i := range events {
		require.NoError(t, second.Publish(t.Context(), eventbus.NewRaw("order.created", "a", "text/plain", []byte(strconv.Itoa(i)))))
		if i == events/2 {
			l.cut()
		}
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) > 0 && seen[len(seen)-1] == events-1
	}, 20*time.Second, 10*time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.Positive(t, by["first"])
	require.Positive(t, by["second"])
	highest := -1
	for _, n := range seen {
		require.LessOrEqual(t, n, highest+1, "nothing is passed over")
		highest = max(highest, n)
	}
}

// A good end of the one that works hands over in order too.
func TestRabbitHandsOverInOrder(t *testing.T) {
	r := sharedRabbit(t)
	const events = 1000
	var mu sync.Mutex
	var seen []string
	by := map[string]int{}
	handler := func(who string) eventbus.Handler {
		return eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
			select { // which is long, beside the window
			case <-time.After(2 * time.Millisecond):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			seen, by[who] = append(seen, e.ID), by[who]+1
			return nil
		})
	}
	o := rabbitbus.Options{Options: eventbus.Options{Window: 64}, SingleActiveConsumer: true}
	first, next := r.bus(o), r.bus(o)
	r.running(first, eventbus.Subscriber{Handler: handler("first")})
	r.running(next, eventbus.Subscriber{Handler: handler("next")})
	var want []string
	var all []eventbus.DomainEvent
	for i := range events {
		all = append(all, anOrder(fmt.Sprint("o-", i)))
		want = append(want, all[i].ID)
	}
	require.NoError(t, next.Publish(t.Context(), all...))
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
	require.Eventually(t, func() bool { return count() > 50 }, 20*time.Second, time.Millisecond)
	require.NoError(t, first.Shutdown(t.Context()))
	require.Eventually(t, func() bool { return count() >= events }, 20*time.Second, 10*time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, want, seen, "each once, in order: a good end acknowledges what was handled")
	require.Positive(t, by["first"])
	require.Positive(t, by["next"])
}

// A header by which a sender asks the server for more receivers comes as metadata, and asks for
// nothing when the event is sent again.
func TestRabbitDoesNotSendCopiesOfRetries(t *testing.T) {
	r := sharedRabbit(t)
	bus := r.bus(rabbitbus.Options{})
	var mu sync.Mutex
	var tries []string
	r.running(bus, eventbus.Subscriber{
		Unordered: true, Retry: eventbus.RetryPolicy{Attempts: 2, Min: 10 * time.Millisecond, Max: 10 * time.Millisecond},
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, e.Metadata["amqp-cc"])
			if len(tries) == 1 {
				return errors.New("not yet")
			}
			return nil
		}),
	})
	require.NoError(t, r.do(func(ch *amqp.Channel) error {
		return ch.PublishWithContext(t.Context(), r.at.Prefix, "order.created", true, false, amqp.Publishing{Headers: amqp.Table{
			"cloudEvents_specversion": "1.0", "cloudEvents_id": "e-1", "cloudEvents_type": "order.created",
			"cloudEvents_source": "/theirs", "cloudEvents_subject": "o-1", "CC": []any{"order.copied"},
		}})
	}))
	require.Eventually(t, func() bool { _, s := statsOf(t, bus); return s.Acked == 2 }, 10*time.Second, time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{`["order.copied"]`, `["order.copied"]`}, tries)
}

func TestRabbitRefusesRoutesThatCannotBe(t *testing.T) {
	_, err := rabbitbus.New(rabbitbus.Options{
		Options: eventbus.Options{Group: "shop"}, ExchangeType: "x-delayed-message", Prefix: "own",
		Bindings: []rabbitbus.Binding{{Exchange: "own"}, {Exchange: "theirs", Key: fmt.Sprintf("%256d", 1), Args: amqp.Table{"x": struct{}{}}}},
	})
	for _, want := range []string{"ExchangeType: must be", "Bindings[0].Exchange: ", "Bindings[1].Key: ", "Bindings[1].Args: "} {
		require.ErrorContains(t, err, want)
	}
}
