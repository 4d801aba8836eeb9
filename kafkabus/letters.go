package kafkabus

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// letterStore keeps the letters of all groups under one prefix in Kafka, for all processes: those
// of a group, which is `service.subscriber`, in a compacted topic of one partition. A record under a letter's ID is
// the letter, and one without a value removes it; claims, by which letters are taken, stand beside
// (letters_index.go has the rules).
//
// A letter's ID is one group's, as [dlq.NewID] makes it: of two groups with letters under one
// ID, Take and Remove find one.
//
// A process keeps an index of the letters of the groups that it has looked at, about 300 bytes
// each. What a call returns is always read on from the log first. Each call ends with its context.
type letterStore struct {
	client *client
	names  names
	logger *slog.Logger
	now    func() time.Time
	bounds letterBounds
	owner  string // how the holders of this store's claims begin
	takes  atomic.Uint64

	mu       sync.Mutex
	logs     map[string]*letterLog // by group
	held     map[string]letterHeld // by ID
	heldMost int                   // when those that are over are dropped
	closed   bool

	running sync.WaitGroup
}

// letterOptions are what a letterStore is made of.
type letterOptions struct {
	logger *slog.Logger     // Zero means that what happens in the background is not told.
	now    func() time.Time // orders letters of different groups. Zero means time.Now.
	bounds letterBounds     // Zero means the usual ones.
}

// letterBounds are how much is done at once, and how long things are waited for or kept.
type letterBounds struct {
	chunk    int           // letters that are read at once
	chunks   int           // of one call of Page
	bytes    int           // that are read at once, and one letter more
	batch    int           // records of one write: where all but the first are compacted away, so many steps are made
	lag      time.Duration // how old a record is before it can be compacted away: all readers see the same claims
	retain   time.Duration // how long a removal can be read after that
	stale    time.Duration // when an index that was not read on is made anew; less than retain
	patience time.Duration // how long a leader is looked for
}

func usualLetterBounds() letterBounds {
	return letterBounds{
		chunk: 500, chunks: 20, bytes: 8 << 20, batch: 100,
		lag: time.Hour, retain: 24 * time.Hour, stale: time.Hour, patience: 5 * time.Second,
	}
}

var (
	_ dlq.Store   = (*letterStore)(nil)
	_ dlq.Counter = (*letterStore)(nil)
)

// newLetterStore returns the store of the letters under the prefix of the client's options. Its
// owner closes it, before the client.
func newLetterStore(c *client, o letterOptions) *letterStore {
	if o.logger == nil {
		o.logger = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.bounds == (letterBounds{}) {
		o.bounds = usualLetterBounds()
	}
	return &letterStore{
		client: c, names: names{c.options.Prefix}, logger: o.logger, now: o.now, bounds: o.bounds, owner: rand.Text() + "/",
		logs: map[string]*letterLog{}, held: map[string]letterHeld{},
	}
}

// Put stores the letter. Where one is stored under its ID already, that one stays; two processes
// that store it at the same moment store one letter, with what either of them says. An error that
// matches eventbus.ErrUnknown means that it may be stored; to put it again does no harm. The error
// is an eventbus.ValidationError if the letter cannot be found again by what it says.
func (s *letterStore) Put(ctx context.Context, l dlq.Letter) error {
	if err := s.put(ctx, &l); err != nil {
		return s.failed(ctx, "store "+letterName(l.ID)+" of "+l.Group+"."+l.Subscriber, err)
	}
	return nil
}

func (s *letterStore) put(ctx context.Context, l *dlq.Letter) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.check(l); err != nil {
		return err
	}
	body, err := letterline.Encode(l)
	if err != nil {
		return err
	}
	log := s.log(l.Group + "." + l.Subscriber)
	_, err = s.untilKnown(ctx, func() error {
		stored := headersOf(headerStored, strconv.FormatInt(s.now().UnixNano(), 10))
		return s.putOnce(ctx, log, record{key: []byte(l.ID), value: body, header: stored})
	})
	return err
}

// putOnce stores the record of a letter, if none is there.
func (s *letterStore) putOnce(ctx context.Context, l *letterLog, r record) error {
	there := false
	err := s.view(ctx, l, func(x *letterIndex) { _, there = x.byID[string(r.key)] })
	if err == nil && !there {
		_, err = s.write(ctx, l, s.missing, r)
	}
	return err
}

// headerStored is when a letter was stored: nanoseconds since 1970.
const headerStored = "eventbus-stored"

// maxTopicName is what Kafka allows.
const maxTopicName = 249

// check refuses what could not be found again, or has no legal topic.
func (s *letterStore) check(l *dlq.Letter) error {
	for field, value := range map[string]string{
		"id": l.ID, "group": l.Group, "subscriber": l.Subscriber, "type": l.Type, "reason": string(l.Reason),
	} {
		if strings.Contains(value, "\x00") || !utf8.ValidString(value) {
			return &eventbus.ValidationError{Field: field, Rule: "must be UTF-8 without zero bytes", Value: excerpt.Of(value)}
		}
	}
	if l.ID == "" {
		return &eventbus.ValidationError{Field: "id", Rule: "required"}
	}
	if !legalTopic(l.Group) {
		return &eventbus.ValidationError{Field: "group", Rule: "must be a name of [A-Za-z0-9_-]", Value: excerpt.Of(l.Group)}
	}
	if !legalTopic(l.Subscriber) || !s.legal(l.Group+"."+l.Subscriber) {
		return &eventbus.ValidationError{
			Field: "subscriber", Value: excerpt.Of(l.Subscriber),
			Rule: fmt.Sprintf("must be a name of [A-Za-z0-9_-]; with prefix and group its topic has a name of at most %d bytes", maxTopicName),
		}
	}
	return nil
}

// legal reports whether there can be letters of such a group.
func (s *letterStore) legal(group string) bool {
	service, subscriber, _ := strings.Cut(group, ".")
	return legalTopic(service) && legalTopic(subscriber) && len(s.names.letters(group)) <= maxTopicName
}

// open refuses what nobody waits for any more.
func (s *letterStore) open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return eventbus.ErrClosed
	}
	return nil
}

// cleanTime bounds what is done when a call has ended.
const cleanTime = 5 * time.Second

// later runs do in a goroutine of the store's, for cleanTime at most.
func (s *letterStore) later(do func(ctx context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanTime)
		defer cancel()
		do(ctx)
	})
}

// close waits for what runs in the background, until ctx ends.
func (s *letterStore) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kafkabus: close dead letters: the broker has not answered yet: %w", ctx.Err())
	}
}
