package kafkabus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

const (
	// fetchWait is how long a broker holds a fetch that finds nothing, of partitions that had nothing last time.
	fetchWait = 500 * time.Millisecond
	// glanceWait is how long it holds one of others.
	glanceWait = 5 * time.Millisecond
	// waitsPerBroker and glancesPerBroker are under way at once.
	waitsPerBroker, glancesPerBroker = 2, 2
	// fetchRest is after a fetch that has failed.
	fetchRest = 100 * time.Millisecond
)

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

// asking is what is asked of one broker at once.
type asking struct {
	leader int32
	of     []*source
	wait   time.Duration
	glance bool
}

// line is what is under way to a broker.
type line struct {
	waits   int       // fetches that may be held for long
	until   time.Time // all of them
	glances int
	since   time.Time // cold sources wait for glances to end
}

// claim returns what is to be fetched now, and notes that it is being asked for. The first in turn are others each
// time, since answers have a limit. A source that has more must not stand behind fetches that wait for news
// of others: those are for cold ones alone, which are held together: all until one moment, and then in one fetch.
func (e *epoch) claim(turn int) (out []asking) {
	p, err := e.member.transport.routes.look(e.life)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	hot, cold := map[int32][]*source{}, map[int32][]*source{}
	for i := range e.sources {
		s := e.sources[(i+turn)%len(e.sources)]
		if err != nil {
			s.fail(fmt.Errorf("kafkabus: look for the leader of %s/%d: %w", s.place.topic, s.place.partition, typed(err)), fetchRest)
			continue
		}
		leader := int32(-1)
		if x := p.topics[s.place.topic]; x != nil && int(s.place.partition) < len(x.leaders) {
			leader = x.leaders[s.place.partition]
		}
		switch hungry, isCold := s.appetite(now); {
		case !hungry:
		case isCold:
			cold[leader] = append(cold[leader], s)
		default:
			hot[leader] = append(hot[leader], s)
		}
	}
	ask := func(a asking) {
		for _, s := range a.of {
			s.claim()
		}
		out = append(out, a)
	}
	for leader, of := range cold {
		l := e.line(leader)
		left := l.until.Sub(now)
		switch {
		case l.waits == 0 && (l.glances == 0 || !l.since.IsZero() && now.Sub(l.since) >= glanceWait):
			l.waits, l.until, l.since = 1, now.Add(fetchWait), time.Time{}
			ask(asking{leader: leader, of: of, wait: fetchWait})
		case l.waits == 0:
			if l.since.IsZero() {
				l.since = now
			}
		case l.waits < waitsPerBroker && left > glanceWait: // they have come later
			l.waits++
			ask(asking{leader: leader, of: of, wait: left})
		default:
			hot[leader] = append(hot[leader], of...)
		}
	}
	for leader, of := range hot {
		if l := e.line(leader); l.glances < glancesPerBroker {
			l.glances++
			ask(asking{leader: leader, of: of, wait: glanceWait, glance: true})
		}
	}
	return out
}

// line is that to a broker. The lock is held.
func (e *epoch) line(leader int32) *line {
	l := e.lines[leader]
	if l == nil {
		l = &line{}
		e.lines[leader] = l
	}
	return l
}

// appetite reports whether the source is to be fetched for, and whether there was nothing last time.
func (s *source) appetite(now time.Time) (hungry, cold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hungry(now), s.cold
}

func (s *source) claim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
}

func (e *epoch) release(a asking) {
	for _, s := range a.of {
		s.mu.Lock()
		s.asked = false
		s.mu.Unlock()
	}
	e.mu.Lock()
	if l := e.line(a.leader); a.glance {
		l.glances--
	} else {
		l.waits--
	}
	e.mu.Unlock()
	wakeUp(e.hungry)
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
	answer, err := e.member.transport.client.RoundTrip(ctx, e.member.transport.client.addr, request)
	e.pace(time.Since(began))
	got, ok := answer.(*fetch.Response)
	switch {
	case e.life.Err() != nil:
		return
	case err == nil && !ok:
		err = errUntold
	case err == nil && got.ErrorCode != 0:
		err = kafka.Error(got.ErrorCode)
	}
	if err != nil {
		e.failAll(of, err)
		return
	}
	bad := []*source(nil)
	for i := range got.Topics {
		for j := range got.Topics[i].Partitions {
			x := &got.Topics[i].Partitions[j]
			s := places[place{got.Topics[i].Topic, x.Partition}]
			if s == nil {
				continue
			}
			if err := e.take(s, x); err != nil {
				bad = append(bad, s)
				s.fail(fmt.Errorf("kafkabus: fetch from %s/%d: %w", s.place.topic, s.place.partition, typed(err)), fetchRest)
			}
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
func (e *epoch) take(s *source, x *fetch.ResponsePartition) error {
	switch x.ErrorCode {
	case 0:
	case int16(kafka.OffsetOutOfRange):
		return e.jump(s)
	default:
		return kafka.Error(x.ErrorCode)
	}
	s.mu.Lock()
	from := s.next
	s.headless = time.Time{}
	s.mu.Unlock()
	rs, next, err := taken(x, from)
	some := len(rs) > 0 || next > from
	if some {
		s.feed(rs, next)
	}
	s.mu.Lock()
	s.cold = !some && x.HighWatermark <= from // otherwise others have filled the answer
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
	lost := first - s.next
	if lost > 0 {
		s.progress.finish(s.next, first)
		s.next = first
	}
	s.mu.Unlock()
	if lost > 0 {
		return fmt.Errorf("%w: %d of them", ErrTrimmed, lost)
	}
	e.replace(s, first)
	return nil
}
