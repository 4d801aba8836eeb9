package kafkabus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// fetchRest is after a fetch that has failed.
const fetchRest = 100 * time.Millisecond

// fetches asks for what the sources have room for, of each broker for all that it leads.
func (e *epoch) fetches() {
	often := time.NewTicker(fetchRest)
	defer often.Stop()
	for turn := 0; ; turn++ {
		for _, a := range e.claim(turn) {
			e.running.Go(func() {
				e.fetch(a)
				e.release(a)
			})
		}
		select {
		case <-e.hungry:
		case <-often.C: // some may have rested
		case <-e.withdrawn:
			return
		case <-e.life.Done():
			return
		}
	}
}

// fetch asks one broker, and feeds the sources.
func (e *epoch) fetch(a asking) {
	of := a.of
	if a.leader < 0 {
		e.headless(of)
		return
	}
	ctx, cancel := context.WithTimeout(e.life, fetchWait+answerTime)
	defer cancel()
	places := map[place]*source{}
	var topics []fetch.RequestTopic
	for _, s := range of {
		places[s.place] = s
		s.mu.Lock()
		next := s.next
		s.mu.Unlock()
		i := slices.IndexFunc(topics, func(x fetch.RequestTopic) bool { return x.Topic == s.place.topic })
		if i < 0 {
			i = len(topics)
			topics = append(topics, fetch.RequestTopic{Topic: s.place.topic})
		}
		x := &topics[i]
		x.Partitions = append(x.Partitions, wanted(s.place.partition, next))
	}
	request := fetching(a.wait, topics)
	request.MaxBytes = e.most.Load()
	began := time.Now()
	got, err := e.member.transport.client.fetch(ctx, a.addr, request)
	e.pace(time.Since(began))
	if err == nil && got.code != 0 {
		err = kafka.Error(got.code)
	}
	switch {
	case e.life.Err() != nil:
		return
	case err != nil:
		e.failAll(of, err)
		return
	}
	bad := []*source(nil)
	for i := range got.parts {
		x := &got.parts[i]
		s := places[x.place]
		if s == nil {
			continue
		}
		if err := e.take(s, x); err != nil {
			bad = append(bad, s)
			s.fail(fmt.Errorf("kafkabus: fetch from %s/%d: %w", s.place.topic, s.place.partition, typed(err)), fetchRest)
		}
	}
	if len(bad) > 0 {
		e.lookAnew()
	}
}

const (
	// mostAnswer and leastAnswer bound what a broker answers with, unless one batch is larger: nothing of an answer
	// can be handled before all of it is there.
	mostAnswer, leastAnswer = 256 << 10, 16 << 10
	// slowAnswer is longer than the broker waits for news.
	slowAnswer = 2 * fetchWait
)

// pace asks for less at once where answers take long, as over a slow line.
func (e *epoch) pace(took time.Duration) {
	most := e.most.Load()
	switch {
	case took > slowAnswer:
		e.most.Store(max(most/2, leastAnswer))
	case took < slowAnswer/2:
		e.most.Store(min(2*most, mostAnswer))
	}
}

// take feeds a source with its part of an answer.
func (e *epoch) take(s *source, x *part) error {
	switch x.code {
	case 0:
	case int16(kafka.OffsetOutOfRange):
		return e.jump(s)
	default:
		return kafka.Error(x.code)
	}
	s.mu.Lock()
	from := s.next
	s.headless = time.Time{}
	s.mu.Unlock()
	rs, next, err := unpack(x.batch, from)
	some := len(rs) > 0 || next > from
	if some {
		s.feed(rs, next)
	}
	s.mu.Lock()
	s.cold = !some && x.end <= from // otherwise others have filled the answer
	s.mu.Unlock()
	return err
}

func (e *epoch) failAll(of []*source, err error) {
	for _, s := range of {
		s.fail(fmt.Errorf("kafkabus: fetch from %s/%d: %w", s.place.topic, s.place.partition, typed(err)), fetchRest)
	}
	if len(of) > 0 {
		e.lookAnew()
	}
}

// headless rests for partitions that nobody leads, as those of a topic that is being made; after a while
// that is said.
func (e *epoch) headless(of []*source) {
	var long []*source
	now := time.Now()
	for _, s := range of {
		s.mu.Lock()
		if s.headless.IsZero() {
			s.headless = now
		}
		if s.rests = now.Add(fetchRest); now.Sub(s.headless) > headlessFor {
			long = append(long, s)
		}
		s.mu.Unlock()
	}
	e.failAll(long, kafka.LeaderNotAvailable)
}

const headlessFor = 3 * time.Second

// lookAnew is for when the picture of the cluster may be wrong.
func (e *epoch) lookAnew() {
	if _, err := e.member.transport.routes.again(e.life); err != nil {
		e.member.transport.routes.forget()
	}
}

// jump goes on where there is something again, and tells what is lost.
func (e *epoch) jump(s *source) error {
	spans, err := e.member.transport.client.spans(e.life, s.place.topic)
	if err != nil {
		return err
	}
	if int(s.place.partition) >= len(spans) {
		return kafka.UnknownTopicOrPartition
	}
	first := spans[s.place.partition].first
	s.mu.Lock()
	gone := first > s.next
	lost := s.progress.unfinished(s.next, first)
	if gone {
		s.progress.finish(s.next, first)
		s.next = first
	}
	s.mu.Unlock()
	if lost > 0 { // each partition has its number, and Receive tells of the first alone
		e.member.transport.logger().Warn("kafkabus: events were deleted before they were handled", "group", e.member.group.Name,
			"topic", s.place.topic, "partition", s.place.partition, "lost", lost)
		return fmt.Errorf("%w: %d of them", ErrTrimmed, lost)
	}
	if gone {
		return nil
	}
	e.replace(s, first)
	return nil
}
