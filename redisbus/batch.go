package redisbus

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// batch is what one Send sends. Its memory is used again, once go-redis is through with
// it: a few allocations for each entry would be half of what a publish costs.
type batch struct {
	ctx      context.Context
	pipe     redis.Pipeliner // empty after each Exec
	commands []redis.Cmder   // by message
	sync     *redis.Cmd      // nil: nothing to wait for
	need     Sync
	traffic  *traffic
	silent   bool  // nothing was sent
	err      error // of the whole

	headers []byte // of all messages, as JSON
	appends appends
}

func newBatch(ctx context.Context, t *transport, ms []engine.Message) *batch {
	b, ok := t.batches.Get().(*batch)
	if !ok {
		b = &batch{pipe: t.clients.commands.Pipeline(), need: t.options.Sync, traffic: &t.clients.traffic}
	}
	b.ctx = ctx
	t.topics.refresh(ctx, b.pipe, t.names, ms)
	b.appends.reserve(len(ms))
	published := false
	for i := range ms {
		from := len(b.headers)
		b.headers = wire.AppendHeader(b.headers, ms[i].Header) // where it moves, the others keep where they were
		ce := b.headers[from:len(b.headers):len(b.headers)]
		if ms[i].To.Group != "" {
			b.commands = append(b.commands, t.move(ctx, b.pipe, &ms[i], ce))
			continue
		}
		published = true
		add := b.appends.command(ctx, t.names, &ms[i], ce)
		b.commands = append(b.commands, add)
		_ = b.pipe.Process(ctx, add)
	}
	if published {
		b.sync = b.need.wait(ctx, b.pipe)
	}
	return b
}

// reuse keeps the memory of a batch that nobody refers to any more, unless it is large.
func (t *transport) reuse(b *batch) {
	const most = 256 << 10
	if cap(b.headers) > most {
		return
	}
	clear(b.commands)
	b.appends.clear()
	b.ctx, b.sync, b.silent, b.err = nil, nil, false, nil
	b.commands, b.headers = b.commands[:0], b.headers[:0]
	t.batches.Put(b)
}

// wait adds the command that waits for what was sent before it over the same connection.
func (s Sync) wait(ctx context.Context, pipe redis.Pipeliner) *redis.Cmd {
	ms := s.Timeout.Milliseconds()
	switch {
	case s.Disk:
		return pipe.Do(ctx, "waitaof", 1, s.Replicas, ms)
	case s.Replicas > 0:
		return pipe.Do(ctx, "wait", s.Replicas, ms)
	}
	return nil
}

func (b *batch) exec() (struct{}, error) {
	before := b.traffic.writes.Load()
	_, b.err = b.pipe.Exec(b.ctx)
	b.silent = b.traffic.writes.Load() == before
	return struct{}{}, nil
}

// outcomes returns an error by index, or nil.
func (b *batch) outcomes() []error {
	var errs []error
	weak := b.weak()
	for i, c := range b.commands {
		err := b.errorOf(c)
		switch {
		case err == nil:
			err = weak
		case b.silent:
			err = notSent(err)
		default:
			err = outcome(err)
		}
		if err == nil {
			continue
		}
		if errs == nil {
			errs = make([]error, len(b.commands))
		}
		errs[i] = err
	}
	return engine.Overtaken(errs)
}

// errorOf is the error of one command. go-redis leaves commands without an answer and
// without an error where it did not come to sending them.
func (b *batch) errorOf(c redis.Cmder) error {
	if err := c.Err(); err != nil {
		return err
	}
	switch c := c.(type) {
	case *redis.StringCmd:
		if c.Val() == "" {
			return b.err
		}
	case *redis.Cmd:
		if c.Val() == nil {
			return b.err
		}
	}
	return nil
}

// weak says that what was stored is in fewer places than it should be.
func (b *batch) weak() error {
	if b.sync == nil {
		return nil
	}
	err := b.errorOf(b.sync)
	if err == nil {
		if err = b.need.confirmed(b.sync.Val()); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: stored, but not confirmed as Options.Sync asks for: %w", eventbus.ErrUnknown, typed(err))
}

// confirmed reads the answer of WAIT, a number, or WAITAOF, two.
func (s Sync) confirmed(answer any) error {
	var local, replicas int64
	switch a := answer.(type) {
	case int64:
		replicas = a
	case []any:
		if len(a) == 2 {
			local, _ = a[0].(int64)
			replicas, _ = a[1].(int64)
		}
	}
	switch {
	case s.Disk && local < 1:
		return errors.New("not on the server's disk after " + s.Timeout.String())
	case replicas < int64(s.Replicas):
		return errors.New("on " + strconv.FormatInt(replicas, 10) + " of " + strconv.Itoa(s.Replicas) + " replicas after " + s.Timeout.String())
	}
	return nil
}
