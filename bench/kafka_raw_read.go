package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// kafkaReader is a subscriber of kafkaRaw: no member of a group, it has all partitions.
type kafkaReader struct {
	*kafkaRaw
	group     string
	next      [kafkaPartitions]int64
	committed [kafkaPartitions]int64
	handle    func(i int)
	client    *kafka.Client
}

func (r *kafkaRaw) Subscribe(handle func(i int)) error {
	r.groups++
	x := &kafkaReader{kafkaRaw: r, group: fmt.Sprint(r.prefix, ".group-", r.groups), handle: handle, client: r.client()}
	r.run(func() error {
		defer hangUp(x.client)
		return x.read()
	})
	return nil
}

func (x *kafkaReader) read() error {
	last := time.Now()
	for {
		select {
		case <-x.end:
			return x.commit()
		default:
		}
		got, err := x.fetch()
		if err != nil {
			return err
		}
		for i := range got.Topics[0].Partitions {
			if err := x.take(&got.Topics[0].Partitions[i]); err != nil {
				return err
			}
		}
		if now := time.Now(); now.Sub(last) >= kafkaCommits {
			if err := x.commit(); err != nil {
				return err
			}
			last = now
		}
	}
}

// fetch asks for all partitions together: the answer has room for them.
func (x *kafkaReader) fetch() (*fetch.Response, error) {
	topic := fetch.RequestTopic{Topic: x.topic}
	for p, next := range x.next {
		topic.Partitions = append(topic.Partitions, fetch.RequestPartition{
			Partition: int32(p), CurrentLeaderEpoch: -1, FetchOffset: next, LogStartOffset: -1, PartitionMaxBytes: 1 << 20,
		})
	}
	ctx, cancel := context.WithTimeout(x.ctx, 10*time.Second)
	defer cancel()
	answer, err := x.client.Transport.RoundTrip(ctx, x.client.Addr, &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(kafkaCommits.Milliseconds()), MinBytes: 1, MaxBytes: 4 << 20, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{topic},
	})
	if err != nil {
		return nil, err
	}
	got, ok := answer.(*fetch.Response)
	if !ok || len(got.Topics) != 1 {
		return nil, errors.New("the broker has not answered for the topic")
	}
	return got, nil
}

// take hands out what was fetched of a partition. A batch may begin before what was asked for.
func (x *kafkaReader) take(p *fetch.ResponsePartition) error {
	if p.ErrorCode != 0 {
		return fmt.Errorf("partition %d: %w", p.Partition, kafka.Error(p.ErrorCode))
	}
	if p.RecordSet.Records == nil {
		return nil
	}
	for {
		r, err := p.RecordSet.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := x.one(p.Partition, r); err != nil {
			return fmt.Errorf("record %d/%d: %w", p.Partition, r.Offset, err)
		}
	}
}

func (x *kafkaReader) one(partition int32, r *kafka.Record) error {
	body, err := kafka.ReadAll(r.Value)
	for _, b := range []kafka.Bytes{r.Key, r.Value} { // what it needs of the key is among the headers
		if b != nil {
			_ = b.Close()
		}
	}
	if err != nil || r.Offset < x.next[partition] {
		return err
	}
	var e envelope
	for i := range r.Headers {
		e.attribute(r.Headers[i].Key, r.Headers[i].Value)
	}
	if e, err = e.recorded(x.shape, body); err != nil {
		return err
	}
	x.handle(e.version)
	x.next[partition] = r.Offset + 1
	return nil
}

// commit commits what is handled.
func (x *kafkaReader) commit() error {
	var offsets []kafka.OffsetCommit
	for p, next := range x.next {
		if next != x.committed[p] {
			offsets = append(offsets, kafka.OffsetCommit{Partition: p, Offset: next})
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	told, err := x.client.OffsetCommit(x.ctx, &kafka.OffsetCommitRequest{
		GroupID: x.group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{x.topic: offsets},
	})
	if err != nil {
		return err
	}
	for _, p := range told.Topics[x.topic] {
		if p.Error != nil {
			return fmt.Errorf("commit of partition %d: %w", p.Partition, p.Error)
		}
	}
	x.committed = x.next
	return nil
}
