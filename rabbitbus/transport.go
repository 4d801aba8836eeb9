package rabbitbus

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// transport speaks with one virtual host, over three connections: what is published may be
// held up by the server, and must hold up neither what is consumed nor who looks.
type transport struct {
	names      names
	options    Options
	publishing *link
	consuming  *link
	desk       *link // dead letters, the ledger, looking and managing
	letters    *letterStore
	seed       maphash.Seed
	instance   string
	placed     atomic.Uint64 // messages that have a name
	unroutable atomic.Uint64
	marks      atomic.Uint64 // see mark

	mu      sync.Mutex
	members map[*member]bool
}

var (
	_ engine.Transport = (*transport)(nil)
	_ engine.Opener    = (*transport)(nil)
)

func newTransport(at target, o Options) *transport {
	d := dialer{at, o, new(atomic.Uint32)}
	d.turn.Store(mathrand.Uint32N(uint32(len(at.addrs))))
	t := &transport{
		names: names{o.Prefix}, options: o, seed: maphash.MakeSeed(), instance: strings.ToLower(rand.Text()[:13]),
		publishing: newLink(d, "publishing"), consuming: newLink(d, "consuming"), desk: newLink(d, "desk"),
		members: map[*member]bool{},
	}
	t.letters = newLetterStore(t.desk, letterOptions{
		prefix: o.Prefix, groups: func(ctx context.Context) ([]string, error) { return t.registry().ever(ctx) },
		logger: t.logger(), now: t.now,
	})
	return t
}

// Open finds out whether the server lets us in, and makes the exchange.
func (t *transport) Open(ctx context.Context) error {
	c, err := t.consuming.get(ctx)
	if err == nil {
		err = t.exchange(ctx, c)
	}
	return err
}

// Shard spreads aggregates over the lanes.
func (t *transport) Shard(to engine.Address, key string) uint32 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	_, _ = h.WriteString(to.Topic)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(key)
	return uint32(h.Sum64() % lanes)
}

// Send publishes the messages, all of one shard, and waits for their confirms.
func (t *transport) Send(ctx context.Context, ms []engine.Message) []error {
	b := &batch{transport: t, out: make([]outgoing, len(ms)), headers: make(amqp.Table, len(ms[0].Header)+4)}
	for i := range ms {
		b.out[i].envelope, b.out[i].message = t.envelope(&ms[i]), &ms[i]
	}
	if err := b.prepare(ctx, t.Shard(ms[0].To, ms[0].Key)); err != nil {
		return all(len(ms), notSent(err))
	}
	b.lane.enter()
	defer b.lane.leave()
	b.publish(ctx)
	b.await(ctx)
	return b.outcomes()
}

// now is the bus's time.
func (t *transport) now() time.Time {
	if t.options.Clock != nil {
		return t.options.Clock.Now()
	}
	return time.Now()
}

func (t *transport) logger() *slog.Logger {
	if t.options.Logger != nil {
		return t.options.Logger
	}
	return eventbus.Options{}.WithDefaults().Logger
}

// Close ends the connections.
func (t *transport) Close(ctx context.Context) error {
	err := t.letters.close(ctx)
	var all sync.WaitGroup
	for _, l := range []*link{t.publishing, t.consuming, t.desk} {
		all.Go(l.close)
	}
	all.Wait()
	return err
}
