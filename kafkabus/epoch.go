package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// epoch is one generation of the group, as one member has it: its partitions, the fetching from them,
// and the committing. When the group is to be shared out anew its sources are asked back. Those whose
// handlers do not end within the grace stay with the member, which asks to be assigned them again.
type epoch struct {
	member    *member
	as        membership
	life      context.Context // of requests
	end       context.CancelFunc
	renewed   chan struct{} // closed when the group is to be shared out anew
	withdrawn chan struct{} // closed when the generation is about to end
	hungry    chan struct{} // something is to be fetched
	wish      chan struct{} // something is to be committed
	over      chan struct{} // closed at its very end: what is still in use is the member's
	running   sync.WaitGroup
	most      atomic.Int32 // bytes of an answer
	renewing  sync.Once

	mu      sync.Mutex
	sources []*source
	next    *round          // the commit that begins next
	lines   map[int32]*line // by leader
}

// round is one commit of all sources.
type round struct {
	done   chan struct{}
	err    error           // of the whole
	failed map[place]error // of single partitions, for good or for now
}

func newRound() *round { return &round{done: make(chan struct{})} }

// begin makes the sources of a generation, and lets it run. It returns those that can be handed out.
func (m *member) begin(ctx context.Context, g *kafka.Generation) ([]*source, error) {
	e := &epoch{
		member: m, as: membership{m.groupID(), int(g.ID), g.MemberID},
		renewed: make(chan struct{}), withdrawn: make(chan struct{}), over: make(chan struct{}),
		hungry: make(chan struct{}, 1), wish: make(chan struct{}, 1), next: newRound(), lines: map[int32]*line{},
	}
	e.life, e.end = context.WithCancel(context.Background())
	e.most.Store(mostAnswer)
	m.await(ctx, e)
	fresh, err := e.open(ctx, g.Assignments)
	if err != nil {
		e.end()
		e.running.Wait()
		m.takeBack()
		e.orphan()
		close(e.over)
		g.Start(func(context.Context) {}) // and so ends the generation
		return nil, err
	}
	e.running.Go(e.commits)
	e.running.Go(e.fetches)
	g.Start(func(over context.Context) {
		select {
		case <-over.Done():
		case <-e.renewed:
		case <-e.life.Done():
		}
		e.finish()
	})
	return fresh, nil
}

// open makes a source of each partition, where it was left, and adopts those that still work on it.
func (e *epoch) open(ctx context.Context, assigned map[string][]kafka.PartitionAssignment) (fresh []*source, err error) {
	m := e.member
	tried, err := m.transport.ledger.tried(ctx, m.group.Name)
	if err != nil {
		return nil, err
	}
	orphans := m.takeOrphans()
	defer func() {
		for _, s := range orphans {
			if err != nil {
				m.keep(s) // until it is known who has them
			} else {
				s.lose() // others have
			}
		}
	}()
	for name, partitions := range assigned {
		marks, err := e.marks(ctx, name, partitions)
		if err != nil {
			return nil, err
		}
		for partition, at := range marks {
			p := place{name, partition}
			if s := orphans[p]; s != nil && s.last == at {
				delete(orphans, p)
				e.adopt(s)
				continue
			}
			k, err := readProgress(at.end, at.text)
			if err != nil {
				m.transport.logger().Warn("kafkabus: what stands beside a committed offset is not the bus's, and is passed over",
					"group", m.group.Name, "topic", name, "partition", partition)
			}
			fresh = append(fresh, newSource(e, p, k, tried))
		}
	}
	e.add(fresh...)
	return fresh, nil
}

func (e *epoch) add(s ...*source) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sources = append(e.sources, s...)
}

// swap puts a source in the place of another one.
func (e *epoch) swap(old, next *source) {
	e.mu.Lock()
	e.sources = append(slices.DeleteFunc(e.sources, func(x *source) bool { return x == old }), next)
	e.mu.Unlock()
	e.member.offer(next)
	wakeUp(e.hungry)
}

// marks returns what the group has committed of partitions, or where they begin.
func (e *epoch) marks(ctx context.Context, topic string, partitions []kafka.PartitionAssignment) (map[int32]mark, error) {
	if len(partitions) == 0 {
		return nil, nil
	}
	c := e.member.transport.client
	asked := make([]int, len(partitions))
	for i := range partitions {
		asked[i] = partitions[i].ID
	}
	known, err := c.committed(ctx, e.as.group, topic, asked)
	if err != nil {
		return nil, err
	}
	var spans []span
	if len(known) < len(asked) {
		if spans, err = c.spans(ctx, topic); err != nil {
			return nil, err
		}
	}
	out := map[int32]mark{}
	for _, partition := range asked {
		if m, ok := known[partition]; ok {
			out[int32(partition)] = m
		} else if partition < len(spans) {
			out[int32(partition)] = mark{end: spans[partition].first}
		}
	}
	return out, nil
}

// replace ends a source whose topic was made anew, or has lost its end: what it has handed out are offsets of a
// log that is no more. Another one begins at the offset.
func (e *epoch) replace(s *source, first int64) {
	s.end(fmt.Errorf("%w: the topic was made anew, and is read from its beginning", ErrTrimmed))
	e.swap(s, newSource(e, s.place, known{progress: progress{end: first}, handed: first, open: first}, nil))
}

// renew ends the generation, and kafka-go joins the next one.
func (e *epoch) renew() { e.renewing.Do(func() { close(e.renewed) }) }

// all are the sources of now.
func (e *epoch) all() []*source {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.sources)
}

// finish asks the sources back, and ends the generation: what runs may end, for the grace.
func (e *epoch) finish() {
	close(e.withdrawn)
	e.member.takeBack()
	sources := e.all()
	for _, s := range sources {
		s.withdraw()
	}
	grace, cancel := context.WithTimeout(e.life, max(e.member.transport.options.Grace, 0))
	for _, s := range sources {
		select {
		case <-s.closed:
		case <-grace.Done():
		}
	}
	cancel()
	ctx, cancel := context.WithTimeout(e.life, time.Second)
	_ = e.commit(ctx, place{}) // what was acknowledged last
	cancel()
	e.end()
	e.running.Wait()
	e.member.takeBack() // there may be others by now
	e.orphan()
	close(e.over)
}

// orphan leaves the sources that are still in use with the member.
func (e *epoch) orphan() {
	for _, s := range e.all() {
		s.withdraw()
		if s.orphan() {
			e.member.keep(s)
		}
	}
}

// commit waits until what is noted now is committed, of one partition for one thing.
func (e *epoch) commit(ctx context.Context, at place) error {
	e.mu.Lock()
	r := e.next
	e.mu.Unlock()
	wakeUp(e.wish)
	select {
	case <-r.done:
		if r.err == nil {
			return r.failed[at]
		}
		return r.err
	case <-e.life.Done():
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errEnded means that a generation was over before it had committed.
var errEnded = fmt.Errorf("the generation is over: %w", engine.ErrGone)

func wakeUp(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake already
	}
}

// isLost reports whether the group does not know the generation any more.
func isLost(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId)
}

func (e *epoch) String() string { return fmt.Sprintf("%s/%d", e.as.group, e.as.generation) }
