package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// epoch is one generation of the group, as one member has it: its partitions, the fetching from them,
// and the committing. It ends when the group is to be shared out anew, and lasts as long as its
// sources are given back, but for the grace at most.
type epoch struct {
	member     *member
	generation int32
	id         string // of the member
	sources    []*source
	withdrawn  chan struct{}
	dead       chan struct{}
	life       context.Context // of requests
	end        context.CancelFunc
	hungry     chan struct{}
	wish       chan struct{}    // for a commit
	kept       map[*source]mark // what is committed; of the committer alone
	running    sync.WaitGroup

	mu     sync.Mutex
	next   *round        // the commit that begins next
	asking map[int32]int // fetches under way, by broker
}

// round is one commit of all sources.
type round struct {
	done chan struct{}
	err  error
}

func newRound() *round { return &round{done: make(chan struct{})} }

// begin makes the sources of a generation, and lets it run.
func (m *member) begin(ctx context.Context, g *kafka.Generation) (*epoch, error) {
	e := &epoch{
		member: m, generation: g.ID, id: g.MemberID, withdrawn: make(chan struct{}), dead: make(chan struct{}),
		hungry: make(chan struct{}, 1), wish: make(chan struct{}, 1), kept: map[*source]mark{}, next: newRound(), asking: map[int32]int{},
	}
	e.life, e.end = context.WithCancel(context.Background())
	err := e.open(ctx, g.Assignments)
	if err != nil {
		g.Start(func(context.Context) { e.end() }) // and so ends the generation
		return nil, err
	}
	e.running.Go(e.commits)
	e.running.Go(e.fetches)
	g.Start(func(over context.Context) {
		select {
		case <-over.Done():
		case <-e.life.Done():
		}
		e.finish()
	})
	return e, nil
}

// open makes a source of each partition, where it was left.
func (e *epoch) open(ctx context.Context, assigned map[string][]kafka.PartitionAssignment) error {
	t := e.member.transport
	for name, partitions := range assigned {
		if len(partitions) == 0 {
			continue
		}
		asked := make([]int, len(partitions))
		for i := range partitions {
			asked[i] = partitions[i].ID
		}
		known, err := t.client.committed(ctx, e.member.groupID(), name, asked)
		if err != nil {
			return err
		}
		var first []span
		for _, partition := range asked {
			at := place{name, int32(partition)}
			c, ok := known[partition]
			if !ok {
				if first == nil {
					if first, err = t.client.spans(ctx, name); err != nil {
						return err
					}
				}
				c = committed{offset: first[partition].first}
			}
			p, open, err := readProgress(c.offset, c.text)
			if err != nil {
				t.logger().Warn("kafkabus: "+err.Error(), "group", e.member.group.Name, "topic", name, "partition", partition)
			}
			e.sources = append(e.sources, newSource(e, at, p, open))
		}
	}
	return nil
}

// finish gives the partitions back: what runs may end, for the grace.
func (e *epoch) finish() {
	close(e.withdrawn)
	grace := time.NewTimer(max(e.member.transport.options.Grace, 0))
	defer grace.Stop()
	for _, s := range e.sources {
		select {
		case <-s.closed:
		case <-grace.C:
			grace.Reset(0) // for the others too
		case <-e.life.Done():
		}
	}
	ctx, cancel := context.WithTimeout(e.life, time.Second)
	_ = e.commit(ctx) // what was acknowledged last
	cancel()
	e.die()
	e.running.Wait()
}

// die ends all that is under way.
func (e *epoch) die() {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.dead:
	default:
		close(e.dead)
	}
	e.end()
}

// over says that the generation is, or is about to be, if one minds that.
func (e *epoch) over(minds bool) error {
	select {
	case <-e.dead:
		return engine.ErrGone
	default:
	}
	select {
	case <-e.withdrawn:
		if minds {
			return engine.ErrWithdrawn
		}
	default:
	}
	return nil
}

// commit waits until what is noted now is committed.
func (e *epoch) commit(ctx context.Context) error {
	e.mu.Lock()
	r := e.next
	e.mu.Unlock()
	wakeUp(e.wish)
	select {
	case <-r.done:
		return r.err
	case <-e.dead:
		return engine.ErrGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *epoch) wakeFetch() { wakeUp(e.hungry) }

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

func (e *epoch) String() string { return fmt.Sprintf("%s/%d", e.member.groupID(), e.generation) }
