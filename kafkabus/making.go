package kafkabus

import (
	"strconv"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Headers of ours beside the facts of delivery.
const (
	// topicHeader is the topic of a message that is for one group.
	topicHeader = "eventbus-topic"
	// dueHeader is the earliest time of a retry, in ms since 1970.
	dueHeader = "eventbus-due"
	// originHeader is what the ledger calls a retry or a replay: where it was first.
	originHeader = "eventbus-origin"
)

// overhead is what Kafka adds to a record and to a header, at most.
const overhead = 32

// making makes records of messages, whose memory is used again, but for their bodies: keys and headers
// of all are copied, into two pieces of memory, as they live and end together.
type making struct {
	now    time.Time
	text   []byte
	header []protocol.Header
}

func newMaking(ms []engine.Message, now time.Time) *making {
	text, headers := 0, 0
	for i := range ms {
		text += len(ms[i].Key)
		headers += len(ms[i].Header) + 2
		for j := range ms[i].Header {
			text += len(ms[i].Header[j].Value)
		}
	}
	return &making{now: now, text: make([]byte, 0, text), header: make([]protocol.Header, 0, headers)}
}

// keep copies a text.
func (x *making) keep(s string) []byte {
	from := len(x.text)
	x.text = append(x.text, s...)
	return x.text[from:len(x.text):len(x.text)]
}

// record is a message as it stands in a topic, and about how large it is.
func (x *making) record(m *engine.Message) (record, int) {
	r := record{time: x.now, value: m.Body}
	size := len(m.Key) + len(m.Body) + overhead
	if m.Key != "" {
		r.key = x.keep(m.Key)
	}
	from := len(x.header)
	for i := range m.Header {
		h := &m.Header[i]
		size += len(h.Name) + len(h.Value) + overhead
		x.header = append(x.header, protocol.Header{Key: h.Name, Value: x.keep(h.Value)})
	}
	if m.IsMove() {
		x.header = append(x.header, protocol.Header{Key: topicHeader, Value: []byte(m.To.Topic)})
		if !m.NotBefore.IsZero() {
			due := strconv.FormatInt(ceilMilli(m.NotBefore), 10)
			x.header = append(x.header, protocol.Header{Key: dueHeader, Value: []byte(due)})
		}
	}
	r.header = x.header[from:len(x.header):len(x.header)]
	return r, size
}

// ceilMilli is never before the time.
func ceilMilli(at time.Time) int64 { return at.Add(time.Millisecond - 1).UnixMilli() }
