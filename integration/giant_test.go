package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// TestForeignGiants among a load: what is far beyond what the bus would publish is handled, or
// is a letter with all of its bytes, which can be replayed; once each, and nothing waits for it.
func TestForeignGiants(t *testing.T) {
	onEach(t, foreignGiants)
}

func foreignGiants(t *testing.T, k broker.Kind) {
	b := broker.Start(t, k, broker.Options{})
	f := newForeign(t, b.Server)
	size := giantSize(k)
	f.takes(size + 1<<20)
	l := newLoad(t, b.Server, loadOptions{events: 500, pace: 20 * time.Millisecond, lease: 5 * time.Second})
	l.serve()
	l.serve()
	l.publish()
	refused, good := make([]byte, size), payload(1, size)
	good[0] = 255
	l.foreignEvent(f, "refused", refused)
	l.foreignEvent(f, "good", good)
	f.bare(good)
	l.foreign++
	require.NoError(t, l.judge().Err())
	require.Len(t, l.running(), 2)

	whole := func(replays int) (id string) {
		found := 0
		letters := l.letters()
		for i := range letters {
			switch x := &letters[i]; {
			case x.EventID == "" && x.Reason == dlq.Undecodable:
				require.Equal(t, journal.Sum(good), journal.Sum(x.Body))
				found++
			case x.EventID == "refused" && x.Replays == replays:
				require.Equal(t, journal.Sum(refused), journal.Sum(x.Body))
				found++
				id = x.ID
			}
		}
		if found != 2 {
			return ""
		}
		return id
	}
	q, _ := dlq.Of(l.bus)
	id := whole(0)
	require.NotEmpty(t, id)
	require.NoError(t, q.ReplayOne(t.Context(), id, dlq.ReplayOptions{}))
	l.soon("it comes back as it was", func() bool { return whole(1) != "" })
	l.begunOnce("refused", "good")
	l.stop()
}

// giantSize is far beyond what the bus publishes, and what the server takes.
func giantSize(k broker.Kind) int {
	if k == broker.RabbitMQ {
		return 16<<20 - 1<<10 // its own limit is 16 MiB
	}
	return 20 << 20
}

// begunOnce: but for replays these events were handed to a handler once each, and no process went
// down with them.
func (l *load) begunOnce(ids ...string) {
	l.t.Helper()
	log, err := journal.Read(l.paths...)
	require.NoError(l.t, err)
	begun := map[string]int{}
	for i := range log.Records {
		if r := &log.Records[i]; r.What == journal.Begun && r.Replays == 0 && r.Attempt == 1 {
			begun[r.EventID]++
		}
	}
	for _, id := range ids {
		require.Equal(l.t, 1, begun[id], id)
	}
}

// TestRedisTooLarge: what is beyond the limit by a byte is refused before anything is sent, with all
// that it came with; what is at the limit is not.
func TestRedisTooLarge(t *testing.T) {
	r := shared(t)
	never, err := redisClient(r.at.Server, func(context.Context, string, string) (net.Conn, error) {
		t.Error("a connection is made")
		return nil, errors.New("not now")
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, never.Close()) })
	deaf := r.bus(never, redisbus.Options{})
	sized := func(id string, size int) eventbus.DomainEvent {
		e := eventbus.NewRaw("order.created", "a1", "text/plain", make([]byte, size))
		e.ID = id
		return e
	}
	var told *eventbus.TooLargeError
	require.ErrorAs(t, deaf.Publish(t.Context(), sized("above", 1<<20)), &told)
	limit := told.Limit - (told.Size - 1<<20)
	events := []eventbus.DomainEvent{sized("below", limit-1), sized("limit", limit)}
	for i := range 98 {
		events = append(events, anOrder(fmt.Sprint(i)))
	}
	err = deaf.Publish(t.Context(), append(events, sized("above", limit+1))...)
	require.ErrorIs(t, err, eventbus.ErrTooLarge)
	require.ErrorAs(t, err, &told)
	require.Equal(t, told.Limit+1, told.Size)

	bus := r.bus(r.raw, redisbus.Options{})
	got := &handled{}
	r.running(bus, eventbus.Subscriber{Handler: got})
	require.NoError(t, bus.Publish(t.Context(), events...))
	require.Eventually(t, func() bool { return len(got.times()) == len(events) }, 20*time.Second, 10*time.Millisecond)
}
