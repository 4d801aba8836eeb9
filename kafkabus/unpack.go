package kafkabus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// Records stand in batches (Kafka protocol, record batch of magic 2): a head of fixed length, and the records, which
// may be compressed together.
const (
	batchHead   = 61
	batchBefore = 12 // what of the head its length does not count
	leastRecord = 7  // bytes: its length, attributes, two deltas, two lengths, number of headers
	// mostUnpacked is more than a batch can have come to: brokers take 1 MiB by default, and our letters 32 MiB.
	mostUnpacked = 256 << 20
	// appendTime says that all records of a batch have the time at which the broker has stored it.
	appendTime = 1 << 3
)

var (
	errBatch = errors.New("a batch of records cannot be read")
	crcTable = crc32.MakeTable(crc32.Castagnoli)
)

// unpack returns the records of a partition's answer from an offset on, and the offset behind them: that of the last
// batch, of which some or all records may have been compacted away. What the broker has cut short at the end is not
// among them. Keys, values and headers are pieces of data, or of what was compressed; see record.own.
func unpack(data []byte, from int64) (rs []record, next int64, err error) {
	next = from
	for len(data) >= batchHead {
		n := int64(int32(binary.BigEndian.Uint32(data[8:]))) + batchBefore
		if n > int64(len(data)) {
			break
		}
		if n < batchHead || data[16] != 2 {
			return rs, next, fmt.Errorf("%w: it has %d bytes and is of magic %d", errBatch, n, data[16])
		}
		b := batch{head: data[:batchHead], body: data[batchHead:n]}
		if crc32.Checksum(data[21:n], crcTable) != binary.BigEndian.Uint32(data[17:]) {
			return rs, next, fmt.Errorf("%w: the checksum of that at offset %d is wrong", errBatch, b.first())
		}
		data = data[n:]
		if b.last() < from {
			continue
		}
		if !b.attributes().Control() {
			if rs, err = b.records(rs, from); err != nil {
				return rs, next, fmt.Errorf("%w: that at offset %d: %w", errBatch, b.first(), err)
			}
		}
		next = max(next, b.last()+1)
	}
	return rs, next, nil
}

// batch is one of a partition's log.
type batch struct{ head, body []byte }

func (b *batch) first() int64 { return int64(binary.BigEndian.Uint64(b.head)) }

func (b *batch) last() int64 { return b.first() + int64(int32(binary.BigEndian.Uint32(b.head[23:]))) }

func (b *batch) attributes() protocol.Attributes {
	return protocol.Attributes(binary.BigEndian.Uint16(b.head[21:]))
}

// time is that of a record with such a delta.
func (b *batch) time(delta int64) time.Time {
	if b.attributes()&appendTime != 0 {
		return time.UnixMilli(int64(binary.BigEndian.Uint64(b.head[35:])))
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b.head[27:])) + delta)
}

// records appends those from an offset on.
func (b *batch) records(rs []record, from int64) ([]record, error) {
	body, err := b.unpacked()
	if err != nil {
		return rs, err
	}
	n := int(int32(binary.BigEndian.Uint32(b.head[57:])))
	if n < 0 || n > len(body)/leastRecord {
		return rs, fmt.Errorf("%d records in %d bytes", n, len(body))
	}
	rest := reader{rest: body}
	rs = slices.Grow(rs, n)
	for range n {
		x := reader{rest: rest.bytes(rest.varint())}
		x.bytes(1) // attributes, of which there are none
		at := x.varint()
		r := record{offset: b.first() + x.varint(), time: b.time(at)}
		r.key = x.text()
		r.value = x.text()
		r.header = x.rest
		if rest.short || x.short {
			return rs, io.ErrUnexpectedEOF
		}
		if r.offset >= from {
			rs = append(rs, r)
		}
	}
	return rs, nil
}

// unpacked is what was compressed.
func (b *batch) unpacked() ([]byte, error) {
	how := b.attributes().Compression()
	if how == 0 {
		return b.body, nil
	}
	codec := how.Codec()
	if codec == nil {
		return nil, fmt.Errorf("compression %d is unknown", how)
	}
	in := codec.NewReader(bytes.NewReader(b.body))
	defer func() { _ = in.Close() }()
	out, err := io.ReadAll(io.LimitReader(in, mostUnpacked+1))
	if err == nil && len(out) > mostUnpacked {
		err = fmt.Errorf("more than %d bytes", mostUnpacked)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", codec.Name(), err)
	}
	return out, nil
}

// own returns the record with memory of its own, to be kept longer than others that were read with it.
func (r *record) own() record {
	x := *r
	x.key, x.value = bytes.Clone(r.key), bytes.Clone(r.value)
	x.header = bytes.Clone(r.header)
	return x
}

// owned is own of each.
func owned(rs []record) []record {
	for i := range rs {
		rs[i] = rs[i].own()
	}
	return rs
}

// reader takes values off the front of what a broker has sent. One that is not there is zero, and is noted.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) bytes(n int64) []byte {
	if n < 0 || n > int64(len(r.rest)) {
		r.rest, r.short = nil, true
		return nil
	}
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.rest, r.short = nil, true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// text has a length before it, of which -1 is nil.
func (r *reader) text() []byte {
	if n := r.varint(); n >= 0 {
		return r.bytes(n)
	}
	return nil
}

func (r *reader) int16() int16 {
	if b := r.bytes(2); b != nil {
		return int16(binary.BigEndian.Uint16(b)) //nolint:gosec // as it was written
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.bytes(4); b != nil {
		return int32(binary.BigEndian.Uint32(b)) //nolint:gosec // as it was written
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.bytes(8); b != nil {
		return int64(binary.BigEndian.Uint64(b)) //nolint:gosec // as it was written
	}
	return 0
}
