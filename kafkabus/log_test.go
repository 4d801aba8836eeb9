package kafkabus

import (
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/stretchr/testify/require"
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
