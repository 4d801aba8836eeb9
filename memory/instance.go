package memory

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// instance is one bus's connection to a broker, as it were.
type instance struct {
	broker *Broker
	seed   maphash.Seed
	ended  chan struct{} // closed at the end
	cause  error         // of the end, once it is there

	mu      sync.Mutex
	members map[*member]bool
}

var (
	_ engine.Transport  = (*instance)(nil)
	_ engine.Gauger     = (*instance)(nil)
	_ engine.Surveyor   = (*instance)(nil)
	_ engine.GroupAdmin = (*instance)(nil)
)

func newInstance(b *Broker) *instance {
	return &instance{broker: b, seed: maphash.MakeSeed(), ended: make(chan struct{}), members: map[*member]bool{}}
}

// Send stores messages one by one. One without room waits for it, and if there is
// none in time, those behind it that need room are refused too: stored, they
// would have overtaken it. What headers, bodies and events point to is kept, not
// copied.
func (in *instance) Send(ctx context.Context, ms []engine.Message) []error {
	var errs []error
	refusal := in.over(ctx) // of all that comes
	for i := range ms {
		err := refusal
		if err == nil || ms[i].Beyond && errors.Is(err, eventbus.ErrFull) {
			err = in.send(ctx, &ms[i])
		}
		if err == nil {
			continue
		}
		if errors.Is(err, eventbus.ErrFull) {
			refusal = err
		}
		if errs == nil {
			errs = make([]error, len(ms))
		}
		errs[i] = err
	}
	return errs
}

// over says why nothing can be sent, if so.
func (in *instance) over(ctx context.Context) error {
	select {
	case <-in.ended:
		return in.cause
	default:
	}
	if err := ctx.Err(); err != nil {
		return refused(err)
	}
	return nil
}

func (in *instance) send(ctx context.Context, m *engine.Message) error {
	r, err := in.broker.route(m)
	if err != nil {
		return err
	}
	full := in.broker.store(m, r)
	if full == nil {
		return nil
	}
	if in.broker.options.WhenFull == FailWhenFull {
		full.mu.Lock()
		defer full.mu.Unlock()
		return full.full(nil)
	}
	if err := r.wait(ctx, in); err != nil {
		return err
	}
	in.broker.storeTaken(m, r)
	return nil
}

// shards is into how many parts the addresses are spread, so that one that is full
// holds up few others.
const shards = 64

// Shard is that of the address: the order of a topic is that of its senders.
func (in *instance) Shard(to engine.Address, _ string) uint32 {
	if to.Group != "" {
		return uint32(maphash.String(in.seed, to.Group) % shards)
	}
	return shards + uint32(maphash.String(in.seed, to.Topic)%shards)
}

// Join makes a member of the group. A new group starts with what is sent from now
// on: nothing is retained.
func (in *instance) Join(ctx context.Context, g engine.Group) (engine.Member, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-in.ended:
		return nil, in.cause
	default:
	}
	m := newMember(in, in.broker.join(g.Name, g.Patterns))
	in.members[m] = true
	return m, nil
}

// Close ends this instance; the broker and its other instances go on.
func (in *instance) Close(context.Context) error {
	in.end(errClosed)
	return nil
}

// end stops everything of the instance: what its sources have not acked goes back.
func (in *instance) end(cause error) {
	for _, m := range in.close(cause) {
		m.leave()
	}
}

func (in *instance) close(cause error) (members []*member) {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-in.ended:
		return nil
	default:
	}
	in.cause = cause
	close(in.ended)
	for m := range in.members {
		members = append(members, m)
	}
	return members
}

// forget lets go of a member that has left.
func (in *instance) forget(m *member) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.members, m)
}
