package rabbitbus

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// letterStore keeps the letters of all groups under one prefix in RabbitMQ, for all
// processes: those of a group, which is `service.subscriber`, in a stream, to which letters
// and removals are appended and nothing else is ever done (letters_log.go).
//
// A letter's ID is one group's, as [dlq.NewID] makes it: of two groups with letters under one
// ID, Take and Remove find one.
//
// A process keeps an index of the letters that it has looked at, about 300 bytes each and
// letterBounds.keep of them. It saves reading; what a call returns is always read on from
// the stream first.
//
// amqp091-go interrupts no call. Each call of the store therefore runs in a goroutine of its
// own, which the caller leaves when ctx ends; close waits for them.
type letterStore struct {
	names  letterNames
	groups func(ctx context.Context) ([]string, error)
	logger *slog.Logger
	now    func() time.Time
	bounds letterBounds
	pool   *letterPool
	owner  string // how the holders of this store's leases begin
	takes  atomic.Uint64

	mu       sync.Mutex
	logs     map[string]*letterLog  // by group
	held     map[string]letterLease // by ID
	heldMost int                    // when those that are over are dropped
	uses     uint64
	closed   bool

	running sync.WaitGroup
	life    context.Context //nolint:containedctx // of the compactions, which outlive the call that begins them; close ends it
	end     context.CancelFunc
}

// letterOptions are what a letterStore is made of.
type letterOptions struct {
	prefix string // of all names
	// groups returns the groups that may have letters, as `service.subscriber`. Those of
	// Put, and those that a filter names in full, are known anyway. Zero means none.
	groups func(ctx context.Context) ([]string, error)
	logger *slog.Logger     // Zero means that what happens in the background is not told.
	now    func() time.Time // orders letters of different groups. Zero means time.Now.
	bounds letterBounds     // Zero means the usual ones.
}

// letterBounds are how much is done at once, and how long is waited.
type letterBounds struct {
	chunk   int           // letters that are read at once
	chunks  int           // of one call of Page
	bytes   int           // under way to or from the broker, and one record more
	remove  int           // letters of one record of removals
	garbage int           // records without use from which on a stream is compacted
	keep    int           // letters in the indexes of all groups together
	settle  time.Duration // between the end of a generation and its reading: how late a broker's node may learn of it
	grace   time.Duration // between the end of a copying and the deletion: how long a reader may take to begin
	silence time.Duration // after which a stream has no record at a place
}

func usualLetterBounds() letterBounds {
	return letterBounds{
		chunk: 500, chunks: 20, bytes: 8 << 20, remove: 1000, garbage: 1000, keep: 100_000,
		settle: 2 * time.Second, grace: 2 * time.Second, silence: 2 * time.Second,
	}
}

var (
	_ dlq.Store   = (*letterStore)(nil)
	_ dlq.Counter = (*letterStore)(nil)
)

// newLetterStore returns the store of the letters under the prefix. Its owner closes it.
func newLetterStore(c channels, o letterOptions) *letterStore {
	if o.logger == nil {
		o.logger = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.groups == nil {
		o.groups = func(context.Context) ([]string, error) { return nil, nil }
	}
	if o.bounds == (letterBounds{}) {
		o.bounds = usualLetterBounds()
	}
	s := &letterStore{
		names: letterNames{o.prefix}, groups: o.groups, logger: o.logger, now: o.now, bounds: o.bounds,
		pool: &letterPool{source: c}, owner: rand.Text() + "/",
		logs: map[string]*letterLog{}, held: map[string]letterLease{},
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Put stores the letter. Where one is stored under its ID already, what is written is passed
// over by all readers. The error is an eventbus.ValidationError if the letter cannot be found
// again by what it says.
func (s *letterStore) Put(ctx context.Context, l dlq.Letter) error {
	_, err := within(ctx, s, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.put(ctx, &l) })
	if err != nil {
		return s.failed(ctx, "store "+letterName(l.ID), err)
	}
	return nil
}

func (s *letterStore) put(ctx context.Context, l *dlq.Letter) error {
	if err := s.check(l); err != nil {
		return err
	}
	body, err := letterline.Encode(l)
	if err != nil {
		return err
	}
	_, err = s.write(ctx, s.log(l.Group+"."+l.Subscriber), letterPublishing(body, s.now()))
	return err
}

// check refuses what could not be found again, or has no legal queue.
func (s *letterStore) check(l *dlq.Letter) error {
	for field, value := range map[string]string{
		"id": l.ID, "group": l.Group, "subscriber": l.Subscriber, "type": l.Type, "reason": string(l.Reason),
	} {
		if strings.Contains(value, "\x00") || !utf8.ValidString(value) {
			return &eventbus.ValidationError{Field: field, Rule: "must be UTF-8 without zero bytes", Value: excerpt.Of(value)}
		}
	}
	if l.Group == "" || strings.Contains(l.Group, ".") {
		return &eventbus.ValidationError{Field: "group", Rule: "must be a name without dots", Value: excerpt.Of(l.Group)}
	}
	if longest := s.names.of(l.Group + "." + l.Subscriber).longest(); l.Subscriber == "" || longest > maxQueueName {
		return &eventbus.ValidationError{
			Field: "subscriber", Rule: fmt.Sprintf("must be a name; with prefix and group its queues have names of at most %d bytes", maxQueueName),
			Value: excerpt.Of(l.Subscriber),
		}
	}
	return nil
}

// letterPublishing is the record of a letter that is stored at that time.
func letterPublishing(body []byte, stored time.Time) amqp.Publishing {
	p := letterRecordOf(letterKept, body)
	p.Headers = amqp.Table{headerStored: stored.UnixNano()}
	return p
}

// close ends compactions and waits for all calls, until ctx ends.
func (s *letterStore) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		s.pool.close()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("rabbitbus: close dead letters: the broker has not answered yet: %w", ctx.Err())
	}
}
