package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-28af575d/eventbus"
)

// sender stores messages: at once where the transport is immediate, else through
// shards, in which what comes while one batch is under way makes up the next.
type sender struct {
	bus       *Bus
	transport Transport
	traits    Traits

	mu      sync.Mutex
	shards  map[shardKey]*shard
	closed  bool
	busy    sync.WaitGroup // shards with a goroutine of their own, and callers that send
	stop    context.CancelFunc
	context context.Context // of sending: ends when the bus gives up
	limits  limits
}

// shardKey names a shard. What waits for no bound has a shard of its own: behind a
// Send that waits for room, a handler that publishes would wait for itself.
type shardKey struct {
	number uint32
	beyond bool
}

func newSender(b *Bus) *sender {
	s := &sender{bus: b, transport: b.backend.Transport, traits: b.backend.Traits, shards: map[shardKey]*shard{}}
	if s.traits.Batch == 0 {
		s.traits.Batch = 256
	}
	s.context, s.stop = context.WithCancel(context.Background())
	s.limits = limits{b.clock, b.options.PublishTimeout, s.context}
	return s
}

// publish stores the messages of a call and returns an error by index, or nil.
func (s *sender) publish(ctx context.Context, c *call) []error {
	if s.traits.Immediate {
		c.bound.begin(ctx, &s.limits)
		errs := s.transport.Send(&c.bound, c.messages)
		c.spent = c.bound.end()
		return errs
	}
	return s.through(ctx, c.messages)
}

// move sends one message to a group's own address. It is sent again after an
// unknown outcome, since a move is idempotent.
func (s *sender) move(ctx context.Context, m Message) error {
	m.Beyond = true
	ms := []Message{m}
	if !s.traits.Immediate {
		return first(s.through(ctx, ms))
	}
	err := first(s.transport.Send(ctx, ms))
	if errors.Is(err, ErrNotStored) {
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, err)
	}
	return err
}

func first(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// through sends the messages through their shards and waits for the outcome.
func (s *sender) through(ctx context.Context, ms []Message) []error {
	o := newOutcomes(len(ms))
	parcels := s.sort(ms, o)
	if err := s.enter(); err != nil {
		return o.failAll(err)
	}
	defer s.busy.Done()
	if len(parcels) == 1 {
		p := parcels[0]
		if p.shard.lead() {
			p.shard.serve(ctx, p)
			return o.take()
		}
	}
	s.queue(ctx, parcels, o)
	return o.take()
}

// queue lets the parcels wait for their turn, as long as ctx and the publish
// time-out let them. What is being sent by then ends by the time-out of its batch.
func (s *sender) queue(ctx context.Context, parcels []*parcel, o *outcomes) {
	var bound boundedContext
	bound.begin(ctx, &s.limits)
	defer bound.end()
	for _, p := range parcels {
		p.shard.add(&bound, p)
	}
	select {
	case <-o.done:
		return
	case <-bound.Done():
	}
	for _, p := range parcels {
		p.shard.withdraw(&bound, p)
	}
	select {
	case <-o.done:
	case <-ctx.Done():
		o.abandon(ctx)
	}
}

// sort puts the messages into a parcel for each of their shards, in order.
func (s *sender) sort(ms []Message, o *outcomes) []*parcel {
	var parcels []*parcel
	byShard := map[shardKey]*parcel{}
	for i := range ms {
		k := shardKey{s.transport.Shard(ms[i].To, ms[i].Key), ms[i].Beyond}
		p := byShard[k]
		if p == nil {
			p = &parcel{shard: s.shard(k), outcomes: o}
			byShard[k] = p
			parcels = append(parcels, p)
		}
		p.messages = append(p.messages, ms[i])
		p.index = append(p.index, i)
	}
	return parcels
}

func (s *sender) shard(k shardKey) *shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shards[k]
	if sh == nil {
		sh = newShard(s)
		s.shards[k] = sh
	}
	return sh
}

// enter counts one who sends, unless the sender is closed.
func (s *sender) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, eventbus.ErrClosed)
	}
	s.busy.Add(1)
	return nil
}

// close waits until nothing is being sent any more; when ctx ends it gives up what
// is under way.
func (s *sender) close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() { s.busy.Wait(); close(idle) }()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	s.stop()
	<-idle // every Send ends soon after its context
}
