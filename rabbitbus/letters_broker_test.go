package rabbitbus

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// testBroker is a running RabbitMQ, and a prefix that is the test's own.
type testBroker struct {
	t      testing.TB
	conn   *amqp.Connection
	prefix string

	mu     sync.Mutex
	stores []*letterStore
}

// realBroker is the one that EVENTBUS_TEST_RABBITMQ names, as host:port or as a URL. Whatever
// the test's stores leave there goes when it ends.
func realBroker(t testing.TB) *testBroker {
	address := os.Getenv("EVENTBUS_TEST_RABBITMQ")
	if address == "" {
		t.Skip("it wants a broker in EVENTBUS_TEST_RABBITMQ, as host:port or amqp://user:password@host:port/vhost")
	}
	b := &testBroker{t: t, prefix: "eventbus-test-" + strings.ToLower(rand.Text()[:8])}
	b.conn = b.dial()
	t.Cleanup(b.clean)
	return b
}

// dial opens a connection more.
func (b *testBroker) dial() *amqp.Connection {
	address := os.Getenv("EVENTBUS_TEST_RABBITMQ")
	if !strings.Contains(address, "://") {
		address = "amqp://guest:guest@" + address
	}
	conn, err := amqp.DialConfig(address, amqp.Config{Heartbeat: 10 * time.Second, Locale: "en_US"})
	if err != nil {
		b.t.Fatal("no RabbitMQ answers at EVENTBUS_TEST_RABBITMQ")
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// testChannels opens channels on one connection.
type testChannels struct{ conn *amqp.Connection }

func (c testChannels) channel(context.Context) (*amqp.Channel, error) { return c.conn.Channel() }

// quick are bounds that wait for hardly anybody.
func quick() letterBounds {
	b := usualLetterBounds()
	b.settle, b.grace = 0, 400*time.Millisecond
	return b
}

// store returns a store on the broker's connection.
func (b *testBroker) store() *letterStore { return b.storeOn(b.conn, quick()) }

func (b *testBroker) storeOn(conn *amqp.Connection, bounds letterBounds) *letterStore {
	s := newLetterStore(testChannels{conn}, letterOptions{
		prefix: b.prefix, bounds: bounds,
		groups: func(context.Context) ([]string, error) {
			return []string{"bi.mail", "bi.mailer", "shop.mail", "shop.mailer", "shop.biller"}, nil
		},
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stores = append(b.stores, s)
	return s
}

// clean deletes the generations of all groups that the stores knew.
func (b *testBroker) clean() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), time.Minute)
	defer cancel()
	ch, err := b.dial().Channel()
	require.NoError(b.t, err)
	for _, s := range b.stores {
		require.NoError(b.t, s.close(ctx))
		for _, l := range s.logs {
			last, _ := l.last()
			for g := range last + 2 {
				_ = ch.ExchangeDelete(l.names.generation(g), false, false)
				_ = ch.ExchangeDelete(l.names.copying(g), false, false)
				_, _ = ch.QueueDelete(l.names.generation(g), false, false, false)
			}
			_ = ch.ExchangeDelete(l.names.pointer(), false, false)
			_, _ = ch.QueueDelete(l.names.pointer(), false, false, false)
		}
		for _, held := range s.held {
			_, _ = ch.QueueDelete(held.name, false, false, false)
		}
	}
}
