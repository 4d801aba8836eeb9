package redisbus

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// transport speaks with one server.
type transport struct {
	names   names
	options Options
	clients *clients
	seed    maphash.Seed
	topics  topicCache
	batches sync.Pool // of *batch
	server  server
	mark    string // of this bus alone, in the names of its signs of life

	mu      sync.Mutex
	members map[*member]bool
}

var (
	_ engine.Transport = (*transport)(nil)
	_ engine.Opener    = (*transport)(nil)
)

func newTransport(c *redis.Client, o Options) *transport {
	wait := time.Duration(0)
	if o.Sync.Replicas > 0 || o.Sync.Disk {
		wait = o.Sync.Timeout
	}
	return &transport{
		names: names{o.Prefix}, options: o, clients: newClients(c, wait), seed: maphash.MakeSeed(),
		topics: topicCache{known: map[string]time.Time{}}, server: newServer(), mark: suffix(), members: map[*member]bool{},
	}
}

// shards is into how many parts the streams are spread: while one is written to, others
// of its part wait.
const shards = 256

// Shard is that of the stream, whose order is that of its publishers.
func (t *transport) Shard(to engine.Address, _ string) uint32 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	_, _ = h.WriteString(to.Topic)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(to.Group)
	return uint32(h.Sum64() % shards)
}

// Send appends the messages to their streams in one round trip, or several where they are
// large, after one more where a topic is new.
func (t *transport) Send(ctx context.Context, ms []engine.Message) []error {
	if err := t.announce(ctx, ms); err != nil {
		return all(len(ms), err)
	}
	var errs []error
	for from := 0; from < len(ms); {
		to := from + fitting(ms[from:])
		some := t.send(ctx, ms[from:to])
		if some != nil {
			if errs == nil {
				errs = make([]error, len(ms))
			}
			if copy(errs[from:], some); stuck(some) {
				copy(errs[to:], all(len(ms)-to, fmt.Errorf("%w: what was before it was not stored for certain", engine.ErrNotStored)))
				return errs
			}
		}
		from = to
	}
	return errs
}

// piece is how many bytes are sent at once, unless one message is larger: the time-outs of the
// connection are for each of these.
const piece = 4 << 20

// fitting is how many of the messages are sent at once, at least one.
func fitting(ms []engine.Message) int {
	size := 0
	for i := range ms {
		if size += len(ms[i].Body); size > piece && i > 0 {
			return i
		}
	}
	return len(ms)
}

// stuck reports whether what follows must wait: it would overtake.
func stuck(errs []error) bool {
	return slices.ContainsFunc(errs, func(err error) bool {
		return errors.Is(err, engine.ErrNotStored) || errors.Is(err, eventbus.ErrUnknown)
	})
}

func (t *transport) send(ctx context.Context, ms []engine.Message) []error {
	b := newBatch(ctx, t, ms)
	if _, err := ask(ctx, t.clients, b.exec); errors.Is(err, errAbandoned) {
		return all(len(ms), outcome(err)) // go-redis has the batch yet
	}
	defer t.reuse(b)
	for i := range ms {
		if !ms[i].NotBefore.IsZero() {
			t.later(ms[i].To.Group)
		}
	}
	return b.outcomes()
}

func all(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// Close ends what is under way; the caller's client stays open.
func (t *transport) Close(context.Context) error { return t.clients.close() }
