package bench

import (
	"context"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// TestKafkaSidesHandleEveryLoad runs a little of each benchmark on a real broker.
func TestKafkaSidesHandleEveryLoad(t *testing.T) {
	for _, s := range []shape{ordered(256), permit()} {
		for _, side := range kafkaSides(t, s, 1) {
			t.Run(s.name+"/"+side.name, func(t *testing.T) {
				l := load.Load{Events: 500, Keys: load.Aggregates(s.aggregates), Publishers: 16, Subscribers: 2}
				handlesLittle(t, l, side.start)
				l.Publishers, l.Batch = 1, 100
				_, err := load.Draining(t.Context(), l, side.start)
				require.NoError(t, err)
			})
		}
	}
}

// fakeBroker answers for kafkaRaw, and refuses what is of one partition.
type fakeBroker struct {
	stored map[int32]int
	refuse int32
}

func (f *fakeBroker) RoundTrip(_ context.Context, _ net.Addr, r kafka.Request) (kafka.Response, error) {
	answer := &produce.Response{Topics: make([]produce.ResponseTopic, 1)}
	request, _ := r.(*produce.Request)
	for i := range request.Topics[0].Partitions {
		p := &request.Topics[0].Partitions[i]
		of := produce.ResponsePartition{Partition: p.Partition}
		if p.Partition == f.refuse {
			of.ErrorCode = int16(kafka.NotLeaderForPartition)
		}
		for of.ErrorCode == 0 {
			if _, err := p.RecordSet.Records.ReadRecord(); err != nil {
				break
			}
			f.stored[p.Partition]++
		}
		answer.Topics[0].Partitions = append(answer.Topics[0].Partitions, of)
	}
	return answer, nil
}

func TestKafkaRawStoresAllOrSaysSo(t *testing.T) {
	s := ordered(256)
	l := load.Load{Events: 1600, Keys: load.Aggregates(s.aggregates), Batch: 100, Publishers: 1}
	r := newKafkaRaw(&kafkaSpace{ctx: t.Context(), brokers: []string{"nowhere:1"}, topic: "t"}, s, l)
	f := &fakeBroker{stored: map[int32]int{}, refuse: -1}
	r.broker = f
	require.NoError(t, r.Publish(load.Span{From: 0, To: 1600, Step: 1}))
	sum := 0
	for p := range int32(kafkaPartitions) {
		require.Positive(t, f.stored[p])
		sum += f.stored[p]
	}
	require.Equal(t, 1600, sum)
	f.refuse = 2
	require.ErrorIs(t, r.Publish(load.Span{From: 0, To: 1600, Step: 1}), kafka.NotLeaderForPartition)
}

func TestKafkaHeadersAreReadAsWritten(t *testing.T) {
	s := permit()
	var e envelope
	for _, h := range s.kafkaHeaders().of([]byte("id"), []byte("case-7"), 4711) {
		e.attribute(h.Key, h.Value)
	}
	e, err := e.recorded(s, s.made.Data())
	require.NoError(t, err)
	require.Equal(t, 4711, e.version)
	require.Equal(t, "case-7", e.Subject)
	_, err = e.recorded(s, nil)
	require.ErrorIs(t, err, errOther)
}
