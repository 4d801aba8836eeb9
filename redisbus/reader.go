package redisbus

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// blocked is how long a read waits at the server.
const blocked = time.Second

// reader is the source of what nobody was handed yet. Its reads wait at the server, over
// a connection of their own.
type reader struct {
	*feedOf
	client  *redis.Client
	line    *line
	settled <-chan struct{} // what is older comes first
	said    pages
	looked  time.Time // for what was deleted
	came    time.Time // the last answer
	blind   bool      // it may not look
	last    [2]string // ID of the last entry that came, by stream
	unsure  bool      // an answer was lost: what stood in it is pending, and nobody has it
	lost    bool      // the group had vanished, and nobody was told yet
	before  int       // how often what is pending was handed over: by an earlier life of this consumer
}

var _ engine.Source = (*reader)(nil)

func newReader(m *member, topic string, settled <-chan struct{}) *reader {
	l := &line{}
	r := &reader{
		feedOf: newFeedOf(m, topic, m.name), client: m.transport.clients.reader(l), line: l,
		settled: settled, last: [2]string{fromBeginning, fromBeginning},
	}
	r.portion.sized = moderate
	if m.transport.options.Consumer != "" {
		r.unsure, r.before = true, 1
	}
	return r
}

// Receive waits for new entries.
func (r *reader) Receive(ctx context.Context, most int) ([]*engine.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !r.empty() {
		return r.hand(most), nil
	}
	if r.lost { // told apart from the outage that it came with, of which the beginning counts
		r.lost = false
		return nil, fmt.Errorf("redisbus: read %s: %w", r.streams[fromTopic], ErrVanished)
	}
	select {
	case <-r.settled:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	asked := r.portion.of(most)
	err := r.wait(ctx, asked)
	r.portion.came(asked, err)
	r.came = time.Now()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case noGroup(err):
		err := r.member.transport.renew(ctx, r.topic, r.member.group)
		r.lost = err == nil
		return nil, typed(err)
	case err != nil:
		r.unsure = true
		return nil, fmt.Errorf("redisbus: read %s: %w", r.streams[fromTopic], typed(err))
	}
	return r.hand(most), nil
}

// wait reads until the context ends. A read that waits does not end with that: the connection
// does, which is not needed any more.
func (r *reader) wait(ctx context.Context, most int) error {
	returned := make(chan struct{})
	defer close(returned)
	defer context.AfterFunc(ctx, func() {
		r.line.hangUp(returned)
		_ = r.client.Close()
	})()
	return r.read(context.WithoutCancel(ctx), most)
}

// read fills the buffer with new entries, or with those that were in an answer that was
// lost: they are pending for this consumer, behind all that came.
func (r *reader) read(ctx context.Context, most int) error {
	from := [2]string{">", ">"}
	if r.unsure {
		from = r.last
	}
	defer r.said.next()
	cmd := redis.NewRawWriteToCmd(ctx, &r.said, "xreadgroup", "group", r.member.group.Name, r.consumer,
		"count", most, "block", blocked.Milliseconds(), "streams", r.streams[fromTopic], r.streams[fromOwn], from[fromTopic], from[fromOwn])
	if err := r.client.Process(ctx, cmd); err != nil {
		return err
	}
	n := 0
	err := (&answer{in: r.said.b}).eachEntry(func(key []byte, e streamEntry) {
		n++
		r.add(key, e)
	})
	if err != nil {
		return err
	}
	r.portion.brought(n, len(r.said.b))
	if n == 0 {
		r.unsure, r.before = false, 0
	}
	return nil
}

func (r *reader) add(key []byte, e streamEntry) {
	which := fromTopic
	if string(key) == r.streams[fromOwn] {
		which = fromOwn
	}
	if r.unsure && e.gone { // deleted meanwhile; the heir tells of it
		r.last[which] = string(e.id)
		return
	}
	d := r.delivery(uint64(which), e, r.before)
	r.last[which] = d.Receipt.S
	r.put(d)
}

// Close gives back what was not acknowledged.
func (r *reader) Close(ctx context.Context) error {
	_ = r.client.Close()
	return r.leave(ctx)
}
