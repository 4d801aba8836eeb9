package kafkabus

import (
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/engine"

	"github.com/seed-28af575d/eventbus"
)

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
