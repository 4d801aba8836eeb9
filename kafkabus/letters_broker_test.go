package kafkabus

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// testBroker is a running Kafka, and a prefix that is the test's own.
type testBroker struct {
	t      testing.TB
	client *client
}

// realBroker is the one that EVENTBUS_TEST_KAFKA names, as host:port. Whatever the test's stores
// leave there goes when it ends.
func realBroker(t testing.TB) *testBroker {
	address := os.Getenv("EVENTBUS_TEST_KAFKA")
	if address == "" {
		t.Skip("it wants a broker in EVENTBUS_TEST_KAFKA, as host:port")
	}
	o := Options{Brokers: strings.Split(address, ","), Prefix: "eventbus-test-" + strings.ToLower(rand.Text()[:8])}
	b := &testBroker{t: t, client: testClient(t, o)}
	t.Cleanup(b.clean)
	return b
}

func testClient(t testing.TB, o Options) *client {
	o = o.withDefaults()
	require.NoError(t, o.validate())
	c, err := newClient(o)
	require.NoError(t, err)
	t.Cleanup(c.close)
	return c
}

// clean deletes the topics under the prefix.
func (b *testBroker) clean() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), 20*time.Second)
	defer cancel()
	require.NoError(b.t, b.client.refresh(ctx))
	known, err := b.client.topics(ctx)
	require.NoError(b.t, err)
	var names []string
	for name := range known {
		if strings.HasPrefix(name, b.client.options.Prefix) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		_, err = b.client.api.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names})
		require.NoError(b.t, err)
	}
}

// store returns a store on a client that others use too.
func (b *testBroker) store() *letterStore { return b.storeOn(b.client, letterOptions{}) }

// another returns the store of another process, as far as the broker can tell.
func (b *testBroker) another() *letterStore {
	return b.storeOn(testClient(b.t, b.client.options), letterOptions{})
}

func (b *testBroker) storeOn(c *client, o letterOptions) *letterStore {
	s := newLetterStore(c, o)
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), 10*time.Second)
		defer cancel()
		require.NoError(b.t, s.close(ctx))
	})
	return s
}

// several are stores of as many processes, half of which share a client.
func (b *testBroker) several(n int) (stores []*letterStore) {
	for i := range n {
		if i%2 == 1 {
			stores = append(stores, b.another())
		} else {
			stores = append(stores, b.store())
		}
	}
	return stores
}

// topic makes a topic of letters with settings that are not ours.
func (b *testBroker) topic(group string, settings ...string) {
	b.t.Helper()
	s := b.store()
	c := s.config(s.names.letters(group))
	for i := 0; i < len(settings); i += 2 {
		found := false
		for j := range c.ConfigEntries {
			if c.ConfigEntries[j].ConfigName == settings[i] {
				c.ConfigEntries[j].ConfigValue, found = settings[i+1], true
			}
		}
		if !found {
			c.ConfigEntries = append(c.ConfigEntries, kafka.ConfigEntry{ConfigName: settings[i], ConfigValue: settings[i+1]})
		}
	}
	require.NoError(b.t, b.client.make(b.t.Context(), c))
}

// records returns what stands in the log of a group.
func (b *testBroker) records(group string) (rs []record) {
	b.t.Helper()
	name := names{b.client.options.Prefix}.letters(group)
	spans, err := b.client.spans(b.t.Context(), name)
	require.NoError(b.t, err)
	for next := spans[0].first; next < spans[0].last; {
		got, after, err := b.client.read(b.t.Context(), name, 0, next)
		require.NoError(b.t, err)
		rs, next = append(rs, got...), after
	}
	return rs
}

func (b *testBroker) list(s *letterStore, f dlq.Filter, limit int) (ids []string) {
	b.t.Helper()
	ids = []string{}
	for after, more := "", true; more; more = after != "" {
		p, err := s.Page(b.t.Context(), f, after, limit)
		require.NoError(b.t, err)
		ids, after = append(ids, lettertwins.IDs(p.Letters)...), p.Next
	}
	return ids
}

// fill stores n letters of one group.
func (b *testBroker) fill(s *letterStore, n int) {
	b.t.Helper()
	for i := range n {
		require.NoError(b.t, s.Put(b.t.Context(), lettertwins.Letter(i)))
	}
}

// silent returns the address of a server that accepts connections and says nothing.
func silent(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
