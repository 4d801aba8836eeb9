package kafkabus

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
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

// packing is a batch that is being made (see unpack): its length, its head, and the records so far.
type packing struct {
	data          []byte
	n             int
	first, newest int64 // of the records' times, in ms
}

const packingHead = 4 + batchHead

// record adds a record. A key or a value of nil is none.
func (p *packing) record(at time.Time, key, value []byte, h headers) {
	if len(h) == 0 {
		h = headers{0}
	}
	p.begin(at, key, value, len(h))
	p.data = append(p.data, h...)
}

// begin adds a record but for its headers, which take so many bytes and are to be appended.
func (p *packing) begin(at time.Time, key, value []byte, headers int) {
	ms := at.UnixMilli()
	if p.n == 0 {
		p.data = append(p.data[:0], make([]byte, packingHead)...)
		p.first, p.newest = ms, ms
	}
	p.newest = max(p.newest, ms)
	after := ms - p.first
	length := 1 + lengthOf(after) + lengthOf(int64(p.n)) + bytesLength(key) + bytesLength(value) + headers
	p.data = binary.AppendVarint(p.data, int64(length))
	p.data = append(p.data, 0) // attributes, of which there are none
	p.data = binary.AppendVarint(p.data, after)
	p.data = binary.AppendVarint(p.data, int64(p.n))
	p.data = appendBytes(p.data, key)
	p.data = appendBytes(p.data, value)
	p.n++
}

func bytesLength(b []byte) int {
	if b == nil {
		return 1
	}
	return lengthOf(int64(len(b))) + len(b)
}

func appendBytes(to, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(to, -1)
	}
	return append(binary.AppendVarint(to, int64(len(b))), b...)
}

// seal returns the batch with its length before it, as a request has it. The packing is not used any more.
func (p *packing) seal(how protocol.Attributes) ([]byte, error) {
	data := p.data
	if codec := how.Compression().Codec(); codec != nil {
		var out bytes.Buffer
		out.Write(data[:packingHead])
		w := codec.NewWriter(&out)
		_, err := w.Write(data[packingHead:])
		if failed := w.Close(); err == nil {
			err = failed
		}
		if err != nil {
			return nil, err
		}
		data = out.Bytes()
	}
	big := binary.BigEndian
	b := data[4:]
	big.PutUint32(data, uint32(len(b)))              //nolint:gosec // no request is as long
	big.PutUint32(b[8:], uint32(len(b)-batchBefore)) //nolint:gosec // as above
	big.PutUint32(b[12:], 1<<32-1)                   // no epoch of a leader
	b[16] = 2                                        // magic
	big.PutUint16(b[21:], uint16(how))               //nolint:gosec // bits
	big.PutUint32(b[23:], uint32(p.n-1))             //nolint:gosec // no batch has as many
	big.PutUint64(b[27:], uint64(p.first))           //nolint:gosec // bits
	big.PutUint64(b[35:], uint64(p.newest))          //nolint:gosec // bits
	big.PutUint64(b[43:], 1<<64-1)                   // no producer, of no epoch, and no sequence
	big.PutUint16(b[51:], 1<<16-1)
	big.PutUint32(b[53:], 1<<32-1)
	big.PutUint32(b[57:], uint32(p.n)) //nolint:gosec // as above
	big.PutUint32(b[17:], crc32.Checksum(b[21:], crcTable))
	return data, nil
}

// measured is a message that is about to be packed.
type measured struct {
	message *engine.Message
	header  []wire.Field
	headers int // bytes
}

// measure finds out how large a message is as a record, or a little less.
func measure(m *engine.Message) (x measured, size int) {
	x = measured{message: m, header: m.Header}
	if m.IsMove() {
		x.header = append(x.header[:len(x.header):len(x.header)], wire.Field{Name: topicHeader, Value: m.To.Topic})
		if !m.NotBefore.IsZero() {
			x.header = append(x.header, wire.Field{Name: dueHeader, Value: strconv.FormatInt(ceilMilli(m.NotBefore), 10)})
		}
	}
	x.headers = lengthOf(int64(len(x.header)))
	for i := range x.header {
		h := &x.header[i]
		x.headers += lengthOf(int64(len(h.Name))) + len(h.Name) + lengthOf(int64(len(h.Value))) + len(h.Value)
	}
	return x, x.headers + len(m.Key) + len(m.Body) + overhead
}

// overhead is what a record has beside its key, its value and its headers, at most.
const overhead = 32

// message adds a message.
func (p *packing) message(x measured, now time.Time) {
	var key []byte
	if x.message.Key != "" {
		key = []byte(x.message.Key)
	}
	p.begin(now, key, x.message.Body, x.headers)
	p.data = binary.AppendVarint(p.data, int64(len(x.header)))
	for i := range x.header {
		p.data = appendText(appendText(p.data, x.header[i].Name), x.header[i].Value)
	}
}

// ceilMilli is never before the time.
func ceilMilli(at time.Time) int64 { return at.Add(time.Millisecond - 1).UnixMilli() }
