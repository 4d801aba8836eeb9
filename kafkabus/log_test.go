package kafkabus

import (
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/engine"

	"github.com/seed-28af575d/eventbus"
)

// An answer has room for some of the partitions that were asked for; of the others it says where they end, and
// brings nothing. What stands there was not compacted away.
func TestAnAnswerWithoutRoomPassesOverNothing(t *testing.T) {
	rs, next, err := taken(&fetch.ResponsePartition{HighWatermark: 10}, 3)
	require.NoError(t, err)
	require.Empty(t, rs)
	require.Equal(t, int64(3), next)
}

func TestABatchThatWasCompactedAwayIsPassedOver(t *testing.T) {
	for from, want := range map[int64]int64{3: 4, 10: 10} {
		empty := protocol.RecordSet{Records: protocol.NewRecordReader()}
		rs, next, err := taken(&fetch.ResponsePartition{HighWatermark: 10, RecordSet: empty}, from)
		require.NoError(t, err)
		require.Empty(t, rs)
		require.Equal(t, want, next)
	}
}

func TestAnAnswerIsReadFromTheOffsetOn(t *testing.T) {
	set := protocol.RecordSet{Records: protocol.NewRecordReader(
		kafka.Record{Offset: 2, Value: kafka.NewBytes([]byte("before"))}, kafka.Record{Offset: 5, Value: kafka.NewBytes([]byte{})}, kafka.Record{Offset: 7},
	)}
	rs, next, err := taken(&fetch.ResponsePartition{HighWatermark: 10, RecordSet: set}, 3)
	require.NoError(t, err)
	require.Equal(t, int64(8), next)
	require.Equal(t, []record{{offset: 5, value: []byte{}}, {offset: 7}}, rs)
}

// A leader that has stored a batch answers so too when it is none any more: whether the next one has it is not
// known. One that has not says so by no offset.
func TestWhatALeaderHadStoredIsUnknown(t *testing.T) {
	for base, want := range map[int64]error{7: eventbus.ErrUnknown, -1: engine.ErrNotStored} {
		p := portion{topic: "a", partition: 2}
		p.read(&produce.Response{Topics: []produce.ResponseTopic{{Topic: "a", Partitions: []produce.ResponsePartition{
			{Partition: 1}, {Partition: 2, ErrorCode: int16(kafka.NotLeaderForPartition), BaseOffset: base},
		}}}})
		require.ErrorIs(t, outcome(p.err), want, "base %d", base)
	}
}
