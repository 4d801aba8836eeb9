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
	outlet    outlet

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
	return s.through(ctx, c)
}

// move sends one message to a group's own address. It is sent again after an
// unknown outcome, since a move is idempotent.
func (s *sender) move(ctx context.Context, m Message) error {
	m.Beyond = true
	if !s.traits.Immediate {
		c := s.bus.newCall()
		defer s.bus.release(c)
		c.messages = append(c.messages[:0], m)
		return first(s.through(ctx, c))
	}
	err := first(s.transport.Send(ctx, []Message{m}))
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
func (s *sender) through(ctx context.Context, c *call) []error {
	if err := s.enter(); err != nil {
		return repeat(err, len(c.messages))
	}
	defer s.busy.Done()
	s.sort(c)
	c.expect()
	if len(c.parcels) == 1 && c.parcels[0].shard.lead() {
		c.parcels[0].shard.serve(ctx, c.parcels[0])
		<-c.outcomes.done
	} else {
		s.queue(ctx, c)
	}
	return c.outcomes.errs
}

// queue lets the parcels wait for their turn and be sent, as long as ctx and the publish
// time-out let them. What is being sent by then is unknown; but a move, which would be made
// again, has the time-out of its batch.
func (s *sender) queue(ctx context.Context, c *call) {
	c.alarm.set(&s.limits)
	c.bound.begin(ctx, &s.limits) // of waiting for room
	for _, p := range c.parcels {
		p.shard.add(&c.bound, p)
	}
	why := s.wait(ctx, c)
	rang, waited := !c.alarm.stop(), c.bound.end()
	c.spent = rang || waited
	if why == nil {
		return
	}
	for _, p := range c.parcels {
		p.shard.withdraw(p, why)
	}
	if rang && !c.messages[0].IsMove() {
		c.abandon(why)
		return
	}
	select {
	case <-c.outcomes.done:
	case <-ctx.Done():
		c.abandon(ctx.Err())
	}
}

// wait returns nil when all outcomes are known, or why the call waits no longer.
func (s *sender) wait(ctx context.Context, c *call) error {
	select {
	case <-c.outcomes.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.alarm.rang:
		return context.DeadlineExceeded
	case <-s.context.Done():
		return s.context.Err()
	}
}

// sort puts the messages into a parcel for each of their shards, in order.
func (s *sender) sort(c *call) {
	one := s.shardOf(&c.messages[0])
	for i := 1; i < len(c.messages); i++ {
		if s.shardOf(&c.messages[i]) != one {
			s.spread(c)
			return
		}
	}
	c.whole = parcel{call: c, shard: s.shard(one), messages: c.messages}
	c.parcels = append(c.parcels[:0], &c.whole)
}

func (s *sender) spread(c *call) {
	c.parcels = c.parcels[:0]
	byShard := map[shardKey]*parcel{}
	for i := range c.messages {
		k := s.shardOf(&c.messages[i])
		p := byShard[k]
		if p == nil {
			p = &parcel{call: c, shard: s.shard(k)}
			byShard[k] = p
			c.parcels = append(c.parcels, p)
		}
		p.messages = append(p.messages, c.messages[i])
		p.index = append(p.index, i)
	}
}

func (s *sender) shardOf(m *Message) shardKey {
	return shardKey{s.transport.Shard(m.To, m.Key), m.Beyond}
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
