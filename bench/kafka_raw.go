package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// kafkaFlush is how many events go into one request, at most or those of one call more.
const kafkaFlush = 1000

// kafkaRaw is kafka-go in its best structure for one topic, whose partitions one broker leads.
// Publishers hand their events to one goroutine, which sends what has come while the last request
// was under way as one request for all partitions; a lone publisher sends himself. Each
// subscriber is one goroutine, which fetches from all partitions together, calls the handler itself,
// and commits every 100 ms.
type kafkaRaw struct {
	*kafkaSpace
	readers
	load    load.Load
	shape   shape
	ids     [][]byte
	keys    [][]byte
	headers kafkaHeaders
	broker  kafka.RoundTripper
	out     *kafka.Client
	queue   chan *kafkaCall
	flushed chan struct{}
	groups  int
	end     chan struct{}
}

// kafkaEvent is one that is to be sent.
type kafkaEvent struct {
	key       []byte
	headers   kafkaHeaders
	partition int
}

// kafkaCall is what one call publishes.
type kafkaCall struct {
	events []kafkaEvent
	done   chan error
}

func (s shape) kafkaRaw(ctx context.Context, l load.Load) (load.Log, error) {
	space, err := newKafkaSpace(ctx, s)
	if err != nil {
		return nil, err
	}
	r := newKafkaRaw(space, s, l)
	r.out = space.client()
	r.broker = r.out.Transport
	go r.flush()
	return r, nil
}

func newKafkaRaw(space *kafkaSpace, s shape, l load.Load) *kafkaRaw {
	return &kafkaRaw{
		kafkaSpace: space, load: l, shape: s, ids: texts(eventIDs()), keys: texts(l.Keys), headers: s.kafkaHeaders(),
		queue: make(chan *kafkaCall, 64), flushed: make(chan struct{}), end: make(chan struct{}),
	}
}

var kafkaAll = []int{0, 1, 2, 3} // partitions

// event is that of number i. Its partition is the one that Java's client would choose.
func (r *kafkaRaw) event(i int) kafkaEvent {
	id, key := r.ids[i%distinctIDs], r.keys[i%len(r.keys)]
	at := kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, kafkaAll...)
	return kafkaEvent{key: key, headers: r.headers.of(id, key, i), partition: at}
}

func (r *kafkaRaw) Publish(sp load.Span) error {
	c := &kafkaCall{done: make(chan error, 1)}
	for i := sp.From; i < sp.To; i += sp.Step {
		if c.events = append(c.events, r.event(i)); len(c.events) < r.load.Batch && i+sp.Step < sp.To {
			continue
		}
		if err := r.send(c); err != nil {
			return err
		}
		clear(c.events)
		c.events = c.events[:0]
	}
	return nil
}

func (r *kafkaRaw) send(c *kafkaCall) error {
	if r.load.Publishers == 1 {
		return r.produce([]*kafkaCall{c})
	}
	r.queue <- c
	return <-c.done
}

// flush sends what waits.
func (r *kafkaRaw) flush() {
	defer close(r.flushed)
	var waiting []*kafkaCall
	for c := range r.queue {
		waiting = append(waiting[:0], c)
		n := len(c.events)
		for n < kafkaFlush && len(r.queue) > 0 { // nobody else takes from it
			c := <-r.queue
			waiting, n = append(waiting, c), n+len(c.events)
		}
		err := r.produce(waiting)
		for _, c := range waiting {
			c.done <- err
		}
	}
}

// produce stores all or says what is wrong: nothing is sent again, and a round that has failed is over.
func (r *kafkaRaw) produce(calls []*kafkaCall) error {
	var of [kafkaPartitions][]*kafkaEvent
	for _, c := range calls {
		for i := range c.events {
			e := &c.events[i]
			of[e.partition] = append(of[e.partition], e)
		}
	}
	topic := produce.RequestTopic{Topic: r.topic}
	now := time.Now()
	for p, events := range of {
		if len(events) > 0 {
			topic.Partitions = append(topic.Partitions, produce.RequestPartition{
				Partition: int32(p), RecordSet: protocol.RecordSet{Records: &kafkaRecords{events: events, data: r.shape.made.Data(), now: now}},
			})
		}
	}
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
	defer cancel()
	answer, err := r.broker.RoundTrip(ctx, kafka.TCP(r.brokers...), &produce.Request{
		Acks: int16(kafka.RequireAll), Timeout: 10_000, Topics: []produce.RequestTopic{topic},
	})
	if err != nil {
		return err
	}
	stored, ok := answer.(*produce.Response)
	if !ok || len(stored.Topics) != 1 || len(stored.Topics[0].Partitions) != len(topic.Partitions) {
		return errors.New("the broker has not said what became of each partition")
	}
	for _, p := range stored.Topics[0].Partitions {
		if p.ErrorCode != 0 {
			return fmt.Errorf("partition %d: %w", p.Partition, kafka.Error(p.ErrorCode))
		}
	}
	return nil
}

func (r *kafkaRaw) Stop() error {
	close(r.queue)
	<-r.flushed
	close(r.end)
	defer hangUp(r.out)
	return errors.Join(r.wait(), r.close())
}

// kafkaRecords hands a batch to kafka-go, which reads it once, one after the other.
type kafkaRecords struct {
	events    []*kafkaEvent
	data      []byte
	now       time.Time
	next      int
	record    kafka.Record
	key, body closing
}

// closing are bytes as kafka.NewBytes makes them, but not anew for each record.
type closing struct{ bytes.Reader }

func (*closing) Close() error { return nil }

func (r *kafkaRecords) ReadRecord() (*kafka.Record, error) {
	if r.next == len(r.events) {
		return nil, io.EOF
	}
	e := r.events[r.next]
	r.next++
	r.key.Reset(e.key)
	r.body.Reset(r.data)
	r.record = kafka.Record{Time: r.now, Key: &r.key, Value: &r.body, Headers: e.headers}
	return &r.record, nil
}
