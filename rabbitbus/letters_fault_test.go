package rabbitbus

import (
	"context"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// deafConn is a connection of which nothing comes while it is deaf.
type deafConn struct {
	net.Conn
	deaf   *atomic.Bool
	closed chan struct{}
}

func (c deafConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for c.deaf.Load() {
		select {
		case <-c.closed:
			return 0, net.ErrClosed
		case <-time.After(time.Millisecond):
		}
	}
	return n, err
}

func (c deafConn) Close() error {
	close(c.closed)
	return c.Conn.Close()
}

// deafen opens a connection, and returns what makes it deaf.
func (b *testBroker) deafen() (*amqp.Connection, *atomic.Bool) {
	address := os.Getenv("EVENTBUS_TEST_RABBITMQ")
	if !strings.Contains(address, "://") {
		address = "amqp://guest:guest@" + address
	}
	var deaf atomic.Bool
	conn, err := amqp.DialConfig(address, amqp.Config{Locale: "en_US", Dial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		return deafConn{conn, &deaf, make(chan struct{})}, err
	}})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = conn.CloseDeadline(time.Now()) })
	return conn, &deaf
}

// TestALostConfirmation: Put does not know, and put again the letter is there once.
func TestALostConfirmation(t *testing.T) {
	b := realBroker(t)
	conn, deaf := b.deafen()
	s, other := b.storeOn(conn, quick()), b.store()
	b.put(s, 2, 1)
	deaf.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := s.Put(ctx, lettertwins.Letter(2))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "rabbitbus: store letter 000002: ")
	require.Less(t, time.Since(began), 5*time.Second)
	require.Eventually(t, func() bool { return len(b.list(other, dlq.Filter{}, 9)) == 3 }, 10*time.Second, 5*time.Millisecond, "it was stored all the same")
	require.NoError(t, other.Put(t.Context(), lettertwins.Letter(2)))
	for _, store := range []*letterStore{other, b.store()} {
		require.Equal(t, []string{"000000", "000001", "000002"}, b.list(store, dlq.Filter{}, 9))
	}
	require.Len(t, b.records(other, "shop.mailer"), 1+4, "two records")
	n, err := other.Remove(t.Context(), "000002")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, b.list(other, dlq.Filter{}, 9), 2)
}

// TestEveryCallEndsWithItsContext, also when the broker has stopped to answer, and so does
// close.
func TestEveryCallEndsWithItsContext(t *testing.T) {
	b := realBroker(t)
	conn, deaf := b.deafen()
	s := b.storeOn(conn, quick())
	b.put(s, 3, 1)
	b.list(s, dlq.Filter{}, 9)
	for _, dead := range []bool{false, true} {
		deaf.Store(dead)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if !dead {
			cancel()
		}
		_, pageErr := s.Page(ctx, dlq.Filter{}, "", 1)
		_, countErr := s.Count(ctx, dlq.Filter{})
		_, takeErr := s.Take(ctx, "000000", time.Second)
		_, removeErr := s.Remove(ctx, "000000")
		for _, err := range []error{pageErr, countErr, takeErr, removeErr, s.Put(ctx, lettertwins.Letter(9)), s.compact(ctx, s.log("shop.mailer"))} {
			require.ErrorIs(t, err, ctx.Err())
		}
		if dead {
			require.ErrorIs(t, s.close(ctx), ctx.Err())
		}
		cancel()
	}
	_ = conn.CloseDeadline(time.Now()) // the broker does not answer
	require.NoError(t, s.close(t.Context()))
	require.Len(t, b.list(b.store(), dlq.Filter{}, 9), 3)
}

// TestAReaderThatIsKilled in the middle of a listing harms nothing, and nobody else.
func TestAReaderThatIsKilled(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	b.put(s, 1500, 8)
	want := b.list(s, dlq.Filter{}, 1000)
	before := b.records(s, "shop.mailer")
	for kill := range 6 {
		conn := b.dial()
		reader := b.storeOn(conn, quick())
		read := 0
		err := reader.scan(t.Context(), &letterScan{
			stream: reader.names.of("shop.mailer").generation(0), window: func() int { return 100 }, silence: time.Second,
			visit: func(*amqp.Delivery) error {
				if read++; read == 10+kill*200 {
					_ = conn.Close()
				}
				return nil
			},
		})
		require.Error(t, err)
		_, err = reader.Page(t.Context(), dlq.Filter{}, "", 10)
		require.ErrorIs(t, err, amqp.ErrClosed)
		reader.pool.source = testChannels{b.dial()}
		require.Equal(t, want, b.list(reader, dlq.Filter{}, 1000), "and goes on with another connection")
	}
	require.Equal(t, before, b.records(s, "shop.mailer"))
}

// TestAClosedStore says so, and has ended its compactions.
func TestAClosedStore(t *testing.T) {
	b := realBroker(t)
	bounds := quick()
	bounds.garbage, bounds.settle = 1, time.Minute
	s := b.storeOn(b.conn, bounds)
	b.put(s, 2, 1)
	n, err := s.Remove(t.Context(), "000000")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	l := s.log("shop.mailer")
	require.Eventually(t, func() bool {
		ok, err := b.store().exchangeIs(t.Context(), l.names.generation(1))
		return ok && err == nil
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, []string{"000001"}, b.list(b.store(), dlq.Filter{}, 9), "while it is under way")
	require.NoError(t, s.close(t.Context()))
	require.ErrorContains(t, s.Put(t.Context(), lettertwins.Letter(3)), "closed")
	require.Equal(t, []string{"000001"}, b.list(b.store(), dlq.Filter{}, 9))
}

// TestADeletedExchangeOrStream: somebody has done that, and what is left is found.
func TestADeletedExchangeOrStream(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	b.put(s, 3, 1)
	name := s.names.of("shop.mailer").generation(0)
	ch, err := b.conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.ExchangeDelete(name, false, false))
	require.Len(t, b.list(b.store(), dlq.Filter{}, 9), 3)
	require.NoError(t, s.Put(t.Context(), lettertwins.Letter(3)))
	require.Len(t, b.list(s, dlq.Filter{}, 9), 4)
	_, err = ch.QueueDelete(name, false, false, false)
	require.NoError(t, err)
	_, err = s.Page(t.Context(), dlq.Filter{}, "", 9)
	require.ErrorIs(t, err, errLetterGone)
	require.NoError(t, s.Put(t.Context(), lettertwins.Letter(4)))
	require.Equal(t, []string{"000004"}, b.list(s, dlq.Filter{}, 9))

	// And while its letters are to be copied.
	names, l := s.names.of("shop.mailer"), s.log("shop.mailer")
	require.NoError(t, s.tryLocked(t.Context(), l, func(c *letterChannel) error { return c.endGeneration(t.Context(), names, 0) }))
	require.Equal(t, []string{"000004"}, b.list(b.store(), dlq.Filter{}, 9))
	_, err = ch.QueueDelete(name, false, false, false)
	require.NoError(t, err)
	require.Empty(t, b.list(b.store(), dlq.Filter{}, 9))
	require.NoError(t, b.store().Put(t.Context(), lettertwins.Letter(5)))
	b.compacted(s)
	require.Equal(t, []string{"000005"}, b.list(s, dlq.Filter{}, 9))
	g, _ := l.last()
	require.EqualValues(t, 2, g)
}
