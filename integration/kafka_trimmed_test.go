package integration_test

import (
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// kafka-go has no DeleteRecords (https://kafka.apache.org/protocol#The_Messages_DeleteRecords).
type (
	deleteRecords struct {
		Topics  []deleteRecordsTopic `kafka:"min=v0,max=v1"`
		Timeout int32                `kafka:"min=v0,max=v1"`
	}
	deleteRecordsTopic struct {
		Name       string                   `kafka:"min=v0,max=v1"`
		Partitions []deleteRecordsPartition `kafka:"min=v0,max=v1"`
	}
	deleteRecordsPartition struct {
		Partition int32 `kafka:"min=v0,max=v1"`
		Before    int64 `kafka:"min=v0,max=v1"` // -1: all
	}
	deletedRecords struct {
		Throttle int32                 `kafka:"min=v0,max=v1"`
		Topics   []deletedRecordsTopic `kafka:"min=v0,max=v1"`
	}
	deletedRecordsTopic struct {
		Name       string                    `kafka:"min=v0,max=v1"`
		Partitions []deletedRecordsPartition `kafka:"min=v0,max=v1"`
	}
	deletedRecordsPartition struct {
		Partition int32 `kafka:"min=v0,max=v1"`
		First     int64 `kafka:"min=v0,max=v1"`
		Code      int16 `kafka:"min=v0,max=v1"`
	}
)

//nolint:revive // as protocol.Message has it
func (*deleteRecords) ApiKey() protocol.ApiKey { return protocol.DeleteRecords }

//nolint:revive // as protocol.Message has it
func (*deletedRecords) ApiKey() protocol.ApiKey { return protocol.DeleteRecords }

func init() { protocol.Register(&deleteRecords{}, &deletedRecords{}) }

// cut deletes what is in the first partitions of the topic, before an offset.
func (r *kafkaRig) cut(topic string, before ...int64) {
	r.Helper()
	request := &deleteRecords{Topics: []deleteRecordsTopic{{Name: topic}}, Timeout: 10_000}
	for i, offset := range before {
		request.Topics[0].Partitions = append(request.Topics[0].Partitions, deleteRecordsPartition{int32(i), offset})
	}
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(r.Context(), kafka.TCP(r.at.Addr), request)
	require.NoError(r, err)
	for _, p := range answer.(*deletedRecords).Topics[0].Partitions {
		require.Zero(r, p.Code, kafka.Error(p.Code))
	}
}

// What was deleted before a group had handled it is told of each partition, with how many events that were, though
// nothing comes any more.
func TestKafkaTellsOfWhatWasDeletedBeforeItWasHandled(t *testing.T) {
	t.Parallel()
	r := newKafkaRig(t)
	const partitions, published = 3, 60
	log := &lockedBuffer{}
	visit := func(until func(got *handled) bool) {
		bus := r.bus(kafkabus.Options{
			Topics:  kafkabus.Topics{Partitions: partitions},
			Options: eventbus.Options{Logger: slog.New(slog.NewTextHandler(log, nil))},
		})
		got := &handled{}
		_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.#"}, Handler: got})
		require.NoError(t, err)
		require.NoError(t, bus.Start(t.Context()))
		require.Eventually(t, func() bool { return until(got) }, 20*time.Second, 10*time.Millisecond)
		require.NoError(t, bus.Shutdown(t.Context()))
	}
	publisher := r.bus(kafkabus.Options{Topics: kafkabus.Topics{Partitions: partitions}})
	publish := func() {
		for i := range published {
			require.NoError(t, publisher.Publish(t.Context(), eventbus.NewRaw("order.created", fmt.Sprint("key", i), "text/plain", []byte("x"))))
		}
	}
	publish()
	visit(func(got *handled) bool { return len(got.times()) == published })
	require.NotContains(t, log.String(), kafkabus.ErrTrimmed.Error())
	publish()
	r.cut(r.at.Prefix+".order", -1, -1, -1)
	lines := regexp.MustCompile(`partition=(\d) lost=(\d+)`)
	visit(func(*handled) bool { return len(lines.FindAllString(log.String(), -1)) == partitions })
	lost := 0
	for _, line := range lines.FindAllStringSubmatch(log.String(), -1) {
		n, err := strconv.Atoi(line[2])
		require.NoError(t, err)
		lost += n
	}
	require.Equal(t, published, lost, log)
}
