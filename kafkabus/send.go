package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Send stores the messages, those of one broker's partitions in one request, unless they are large.
func (t *transport) Send(ctx context.Context, ms []engine.Message) []error {
	p, wrong, err := t.routed(ctx, ms)
	if err != nil {
		return all(len(ms), notSent(typed(err)))
	}
	s := t.plan(p, wrong, ms)
	for _, round := range s.rounds {
		s.send(ctx, round)
	}
	if s.lost { // the picture of the cluster may be wrong: what is sent again is to have a new one
		if _, err := t.routes.again(ctx); err != nil && ctx.Err() == nil {
			t.routes.forget()
		}
	}
	return s.outcomes()
}

// sending is one Send: portions of partitions, in rounds: what one request does not take of a
// partition goes with the next.
type sending struct {
	transport *transport
	messages  []engine.Message
	now       time.Time
	rounds    []map[int32][]*parcel // by leader
	failed    map[place]bool        // partitions of which nothing more is sent
	mu        sync.Mutex
	errs      []error // by message
	lost      bool
}

// place is a partition.
type place struct {
	topic     string
	partition int32
}

// parcel is a portion, and which messages it is of.
type parcel struct {
	portion
	packing packing
	index   []int
}

// parcelBytes is less than a broker takes at once by default, 1 MiB with what Kafka adds.
const parcelBytes = 900 << 10

// plan puts the messages where they belong.
func (t *transport) plan(p *picture, wrong map[string]error, ms []engine.Message) *sending {
	s := &sending{transport: t, messages: ms, now: time.Now(), failed: map[place]bool{}, errs: make([]error, len(ms))}
	open := map[place]*parcel{}
	count := map[place]int{}
	var to engine.Address
	var at place
	for i := range ms {
		m := &ms[i]
		if i == 0 || m.To != to {
			to, at.topic = m.To, t.target(m.To)
		}
		route := p.topics[at.topic]
		if err := wrong[at.topic]; err != nil {
			s.errs[i] = notSent(typed(err))
			continue
		}
		if route == nil {
			s.errs[i] = fmt.Errorf("%w: topic %s is not there yet", engine.ErrNotStored, at.topic)
			continue
		}
		at.partition = t.routes.partition(route, m.Key)
		packed, size := measure(m)
		x := open[at]
		if x == nil || len(x.packing.data)+size > parcelBytes {
			x = newParcel(at, len(ms)/len(route.leaders))
			open[at] = x
			n := count[at]
			count[at]++
			if n == len(s.rounds) {
				s.rounds = append(s.rounds, map[int32][]*parcel{})
			}
			leader := route.leaders[at.partition]
			s.rounds[n][leader] = append(s.rounds[n][leader], x)
		}
		x.packing.message(packed, s.now)
		x.index = append(x.index, i)
	}
	return s
}

// newParcel has room for about so many messages.
func newParcel(at place, about int) *parcel {
	about += about/2 + 1
	return &parcel{portion: portion{topic: at.topic, partition: at.partition}, packing: packing{data: spare.take()}, index: make([]int, 0, about)}
}

// single is a parcel of one message.
func (s *sending) single(at *parcel, i int) *parcel {
	x := newParcel(place{at.topic, at.partition}, 0)
	packed, _ := measure(&s.messages[i])
	x.packing.message(packed, s.now)
	x.index = append(x.index, i)
	return x
}

// send sends a round, to all leaders at once.
func (s *sending) send(ctx context.Context, round map[int32][]*parcel) {
	var wait sync.WaitGroup
	for leader, xs := range round {
		var ready []*parcel
		for _, x := range xs {
			switch {
			case s.stopped(x):
				s.note(x, fmt.Errorf("%w: what was before it was not stored for certain", engine.ErrNotStored))
			case leader < 0:
				s.fail(x, fmt.Errorf("%w: partition %d of %s has no leader", engine.ErrNotStored, x.partition, x.topic))
			default:
				ready = append(ready, x)
			}
		}
		if len(ready) == 0 {
			continue
		}
		if len(round) == 1 {
			s.askAll(ctx, ready)
			continue
		}
		wait.Go(func() { s.askAll(ctx, ready) })
	}
	wait.Wait()
}

// askAll sends parcels of one leader, which are of different partitions.
func (s *sending) askAll(ctx context.Context, xs []*parcel) {
	for len(xs) > 0 {
		n := fitting(xs)
		s.ask(ctx, xs[:n])
		xs = xs[n:]
	}
}

// mostRequest is less than a broker takes at once (socket.request.max.bytes, 100 MiB by default). A longer request ends
// the connection, and nothing is known of it.
const mostRequest = 32 << 20

// fitting is how many of the parcels go with one request: one at least.
func fitting(xs []*parcel) int {
	bytes := len(xs[0].packing.data)
	for i, x := range xs[1:] {
		if bytes += len(x.packing.data); bytes > mostRequest {
			return i + 1
		}
	}
	return len(xs)
}

// ask sends parcels to their leader, and notes what became of them.
func (s *sending) ask(ctx context.Context, xs []*parcel) {
	s.write(ctx, xs)
	for _, x := range xs {
		if code(x.err) == kafka.MessageSizeTooLarge && len(x.index) > 1 {
			s.oneByOne(ctx, x)
			continue
		}
		if x.err != nil {
			s.fail(x, x.err)
		}
	}
}

// write has parcels stored. Each has then what became of it.
func (s *sending) write(ctx context.Context, xs []*parcel) {
	portions := make([]*portion, 0, len(xs))
	for _, x := range xs {
		if x.batch, x.err = x.packing.seal(compressions[s.transport.options.Compression]); x.err != nil {
			x.err = fmt.Errorf("%w: %w", eventbus.ErrRefused, x.err)
			continue
		}
		portions = append(portions, &x.portion)
	}
	if len(portions) == 0 {
		return
	}
	err := s.transport.client.write(ctx, portions) // each portion has it
	for _, x := range xs {
		if err == nil { // otherwise it may be sent yet
			spare.put(x.packing.data)
		}
		x.batch, x.packing = nil, packing{}
	}
}

// oneByOne finds out which of a parcel are too large for the topic: the broker takes all or none.
func (s *sending) oneByOne(ctx context.Context, x *parcel) {
	for i, message := range x.index {
		one := s.single(x, message)
		s.write(ctx, []*parcel{one})
		if one.err == nil {
			continue
		}
		if code(one.err) == kafka.MessageSizeTooLarge {
			s.note(one, one.err)
			continue
		}
		s.fail(one, one.err)
		s.note(&parcel{index: x.index[i+1:]}, fmt.Errorf("%w: what was before it was not stored for certain", engine.ErrNotStored))
		return
	}
}

// fail notes why a parcel is not stored, or not for certain, and stops its partition.
func (s *sending) fail(x *parcel, err error) {
	s.note(x, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[place{x.topic, x.partition}] = true
}

func (s *sending) stopped(x *parcel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed[place{x.topic, x.partition}]
}

func (s *sending) note(x *parcel, err error) {
	out := outcome(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !errors.Is(out, eventbus.ErrRefused) {
		s.lost = true
	}
	for _, i := range x.index {
		s.errs[i] = out
	}
}

// outcomes returns an error by index, or nil. Nothing was overtaken: a partition stops at what was not
// stored for certain.
func (s *sending) outcomes() []error {
	for _, err := range s.errs {
		if err != nil {
			return s.errs
		}
	}
	return nil
}

// spare is memory of batches that were sent.
var spare spares

type spares struct{ pool sync.Pool }

func (s *spares) take() []byte {
	if b, ok := s.pool.Get().(*[]byte); ok {
		return *b
	}
	return nil
}

func (s *spares) put(b []byte) {
	if cap(b) <= parcelBytes {
		s.pool.Put(&b)
	}
}
