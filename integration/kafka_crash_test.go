package integration_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

// loadLetters is the topic of the load's letters.
const loadLetters = loadPrefix + "-letters." + loadGroup + "." + loadName

// kafkaFetchesLetters is what a process says to read that topic, and for nothing else: its name, then 1 partition, of
// the number 0, whose leader may be of any epoch.
const kafkaFetchesLetters = loadLetters + "\x00\x00\x00\x01" + "\x00\x00\x00\x00" + "\xff\xff\xff\xff"

// unclaim ends the one claim on a letter.
func (p *kafkaProducer) unclaim(id string) {
	p.Helper()
	claims := map[string]bool{}
	for _, r := range p.all(loadLetters) {
		if strings.HasPrefix(string(r.key), id+"\x00") {
			claims[string(r.key)] = r.value != nil
		}
	}
	open := 0
	for key, stands := range claims {
		if stands {
			p.to(loadLetters, 0, kafkaRecord{key: []byte(key)})
			open++
		}
	}
	require.Equal(p, 1, open)
}

// all reads a topic of one partition.
func (p *kafkaProducer) all(topic string) (all []kafkaRecord) {
	p.Helper()
	ends, err := p.client.ListOffsets(p.Context(), &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0)}},
	})
	require.NoError(p, err)
	require.Len(p, ends.Topics[topic], 1)
	for next := int64(0); next < ends.Topics[topic][0].LastOffset; {
		got, err := p.client.Fetch(p.Context(), &kafka.FetchRequest{Topic: topic, Offset: next, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
		require.NoError(p, err)
		require.NoError(p, got.Error)
		for {
			r, err := got.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(p, err)
			key, err := kafka.ReadAll(r.Key)
			require.NoError(p, err)
			value, err := kafka.ReadAll(r.Value)
			require.NoError(p, err)
			all, next = append(all, kafkaRecord{key: key, value: value}), r.Offset+1
		}
	}
	return all
}

// kafkaConnections counts those of clients, as the system knows them: of Kafka's tools none tells.
func kafkaConnections(b *broker.Broker) (n int) {
	const established = "01"
	for line := range strings.Lines(b.Exec("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6")) {
		f := strings.Fields(line) // number, here, there, state
		if len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", 9092)) && f[3] == established {
			n++
		}
	}
	return n
}
