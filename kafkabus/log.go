package kafkabus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// record is one of a partition's log. A value of nil is a tombstone. Of what was read together others may use the same
// memory.
type record struct {
	offset     int64
	time       time.Time
	key, value []byte
	header     headers
}

// portion is what is written to one partition, and what became of it.
type portion struct {
	topic     string
	partition int32
	batch     []byte    // sealed
	base      int64     // offset of the first, when they are stored
	stored    time.Time // when, by the broker's clock, if the topic has its times of that
	err       error     // as the broker said it
}

// write stores the portions, all of partitions that one broker leads, in one request, on all
// replicas in sync. An error of the whole, which a portion then has too, may mean anything; see outcome.
func (c *client) write(ctx context.Context, portions []*portion) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	deadline, _ := ctx.Deadline()
	request := &rawproduce.Request{Acks: int16(kafka.RequireAll), Timeout: int32(max(time.Until(deadline).Milliseconds(), 1))}
	for _, p := range portions {
		if n := len(request.Topics); n == 0 || request.Topics[n-1].Topic != p.topic {
			request.Topics = append(request.Topics, rawproduce.RequestTopic{Topic: p.topic})
		}
		of := &request.Topics[len(request.Topics)-1]
		of.Partitions = append(of.Partitions, rawproduce.RequestPartition{
			Partition: p.partition, RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(p.batch)},
		})
	}
	stored, err := c.store(ctx, portions, request)
	if err != nil {
		for _, p := range portions {
			p.err = err
		}
		return err
	}
	for _, p := range portions {
		p.read(stored)
	}
	return nil
}

// pack makes a batch of records. One without a time has that of now.
func (c *client) pack(rs []record) ([]byte, error) {
	var p packing
	now := time.Now()
	for i := range rs {
		r := &rs[i]
		at := r.time
		if at.IsZero() {
			at = now
		}
		p.record(at, r.key, r.value, r.header)
	}
	return p.seal(compressions[c.options.Compression])
}

// appendedError is that of a batch which the leader had stored, but perhaps no other broker.
type appendedError struct{ error }

func (e *appendedError) Unwrap() error { return e.error }

var errUntold = errors.New("the broker has not said what became of it")

// read takes what became of the portion from the answer.
func (p *portion) read(r *produce.Response) {
	p.base, p.err = -1, errUntold
	for i := range r.Topics {
		if r.Topics[i].Topic != p.topic {
			continue
		}
		for j := range r.Topics[i].Partitions {
			x := &r.Topics[i].Partitions[j]
			if x.Partition != p.partition {
				continue
			}
			p.base, p.err = x.BaseOffset, said(x.ErrorCode, x.ErrorMessage)
			if p.err != nil && p.base >= 0 { // it was stored before the leader changed, and may last
				p.err = &appendedError{p.err}
			}
			if x.LogAppendTime >= 0 {
				p.stored = time.UnixMilli(x.LogAppendTime)
			}
		}
	}
}

func said(code int16, text string) error {
	switch {
	case code == 0:
		return nil
	case text != "":
		return fmt.Errorf("%w: %s", kafka.Error(code), text)
	}
	return kafka.Error(code)
}

// append stores records in a topic of one partition.
func (c *client) append(ctx context.Context, topic string, rs ...record) error {
	batch, err := c.pack(rs)
	if err != nil {
		return err
	}
	p := &portion{topic: topic, batch: batch}
	if err := c.write(ctx, []*portion{p}); err != nil {
		return err
	}
	return p.err
}

// span is what there is of a partition: from first, until before last.
type span struct{ first, last int64 }

// spans returns those of all partitions of a topic.
func (c *client) spans(ctx context.Context, topic string) ([]span, error) {
	known, err := c.topics(ctx)
	if err != nil {
		return nil, err
	}
	n := known[topic].partitions
	if n == 0 {
		return nil, fmt.Errorf("%w: %s is missing", ErrTopic, topic)
	}
	var asked []kafka.OffsetRequest
	for i := range n {
		asked = append(asked, kafka.FirstOffsetOf(i), kafka.LastOffsetOf(i))
	}
	found, err := c.offsets(ctx, topic, asked)
	out := make([]span, n)
	for _, p := range found {
		if p.Partition < n {
			out[p.Partition] = span{p.FirstOffset, p.LastOffset}
		}
	}
	return out, err
}

// offsets looks up offsets of a topic.
func (c *client) offsets(ctx context.Context, topic string, asked []kafka.OffsetRequest) ([]kafka.PartitionOffsets, error) {
	return patiently(ctx, c, func(ctx context.Context) ([]kafka.PartitionOffsets, error) {
		answer, err := c.api.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}})
		if err != nil {
			return nil, err
		}
		for _, p := range answer.Topics[topic] {
			if errors.Is(p.Error, kafka.Unknown) { // so kafka-go tells that the connection to a leader broke
				return nil, fmt.Errorf("a leader has not answered: %w", io.ErrUnexpectedEOF)
			}
			if p.Error != nil {
				return nil, p.Error
			}
		}
		return answer.Topics[topic], nil
	})
}

const (
	// portionBytes is what one partition answers with at most, unless one batch is larger: no
	// batch is larger than what brokers take by default.
	portionBytes = 1 << 20
	answerBytes  = 8 << 20
)

// read returns records of a partition from an offset on, without waiting for any, and the offset to
// read from next. None is no end: what was compacted away is passed over in steps.
func (c *client) read(ctx context.Context, topic string, partition int32, from int64) ([]record, int64, error) {
	g, err := c.glance(ctx, topic, wanted(partition, from))
	return g.records, g.next, err
}

// glance is what there was to read of a partition, and the offset behind the last record of all, which
// need not be among them.
type glance struct {
	records   []record
	next, end int64
}

// glance is read, and says where the partition ends.
func (c *client) glance(ctx context.Context, topic string, at fetch.RequestPartition) (glance, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	none := glance{next: at.FetchOffset, end: -1}
	addr, err := c.leader(ctx, place{topic, at.Partition})
	if err != nil {
		return none, err
	}
	got, err := c.fetch(ctx, addr, fetching(0, []fetch.RequestTopic{{Topic: topic, Partitions: []fetch.RequestPartition{at}}}))
	if err != nil {
		return none, err
	}
	if got.code != 0 {
		return none, kafka.Error(got.code)
	}
	if len(got.parts) != 1 {
		return none, errUntold
	}
	p := &got.parts[0]
	if p.code != 0 {
		return none, kafka.Error(p.code)
	}
	rs, next, err := unpack(p.batch, at.FetchOffset)
	return glance{owned(rs), next, p.end}, err
}

// fetching is a request to be answered when there is something, or after the wait.
func fetching(wait time.Duration, of []fetch.RequestTopic) *fetch.Request {
	return &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(wait.Milliseconds()), MinBytes: 1, MaxBytes: answerBytes, SessionID: 0, SessionEpoch: -1, Topics: of,
	}
}

func wanted(partition int32, from int64) fetch.RequestPartition {
	return fetch.RequestPartition{
		Partition: partition, CurrentLeaderEpoch: -1, FetchOffset: from, LogStartOffset: -1, PartitionMaxBytes: portionBytes,
	}
}
