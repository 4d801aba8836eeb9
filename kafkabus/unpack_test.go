package kafkabus

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// foreign hands kafka-go records of ours.
type foreign struct {
	rs []record
}

func (f *foreign) ReadRecord() (*kafka.Record, error) {
	if len(f.rs) == 0 {
		return nil, io.EOF
	}
	r := f.rs[0]
	f.rs = f.rs[1:]
	x := &kafka.Record{Time: r.time, Key: kafka.NewBytes(r.key), Value: kafka.NewBytes(r.value)}
	for name, value := range r.header.all() {
		x.Headers = append(x.Headers, kafka.Header{Key: string(name), Value: value})
	}
	return x, nil
}

// packed is a batch as kafka-go writes it, that begins at an offset.
func packed(tb testing.TB, first int64, how protocol.Attributes, rs []record) []byte {
	tb.Helper()
	var out bytes.Buffer
	set := protocol.RecordSet{Version: 2, Attributes: how, Records: &foreign{rs}}
	_, err := set.WriteTo(&out)
	require.NoError(tb, err)
	b := out.Bytes()[4:] // behind the length of all batches
	binary.BigEndian.PutUint64(b, uint64(first))
	return b
}

// sealed has the right checksum.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crcTable))
	return b
}

// numberedRecords are n that begin at an offset, of all kinds.
func numberedRecords(r *rand.Rand, first int64, n int) []record {
	some := func() []byte {
		switch n := r.IntN(40); n {
		case 0:
			return nil
		case 1:
			return []byte{}
		default:
			return bytes.Repeat([]byte{byte(n)}, n*n)
		}
	}
	rs := make([]record, n)
	for i := range rs {
		rs[i] = record{offset: first + int64(i), time: time.UnixMilli(1_700_000_000_000 + r.Int64N(100_000)), key: some(), value: some()}
		var pairs []string
		for j := range r.IntN(12) {
			pairs = append(pairs, []string{"ce_id", "ce_type", "x", ""}[(j+r.IntN(2))%4], string(some()))
		}
		rs[i].header = headersOf(pairs...)
	}
	return rs
}

func TestWhatKafkaGoPacksIsUnpacked(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, how := range compressions {
		t.Run(name, func(t *testing.T) {
			var all []byte
			var want []record
			next := int64(1 << 40)
			for range 20 {
				rs := numberedRecords(r, next, 1+r.IntN(100))
				all = append(all, packed(t, next, how, rs)...)
				want = append(want, rs...)
				next += int64(len(rs))
			}
			for _, from := range []int64{0, want[0].offset, want[30].offset, want[len(want)-1].offset} {
				got, after, err := unpack(all, from)
				require.NoError(t, err)
				require.Equal(t, next, after)
				require.Equal(t, want[max(0, from-want[0].offset):], got)
			}
		})
	}
}

// What is packed is what kafka-go would have written, to the byte; compressed, kafka-go reads it.
func TestRecordsArePackedAsKafkaGoDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, how := range compressions {
		t.Run(name, func(t *testing.T) {
			for n := 1; n < 300; n += 37 {
				rs := numberedRecords(r, 0, n)
				c := client{options: Options{Compression: name}}
				got, err := c.pack(rs)
				require.NoError(t, err)
				require.Equal(t, len(got)-4, int(binary.BigEndian.Uint32(got)))
				again, _, err := unpack(got[4:], 0)
				require.NoError(t, err)
				require.Equal(t, rs, again)
				if how == 0 {
					require.Equal(t, packed(t, 0, how, rs), got[4:])
				}
				var set protocol.RecordSet
				_, err = set.ReadFrom(bytes.NewReader(got))
				require.NoError(t, err)
				for i := range rs {
					x, err := set.Records.ReadRecord()
					require.NoError(t, err)
					require.Equal(t, rs[i].offset, x.Offset)
					require.True(t, rs[i].time.Equal(x.Time))
				}
			}
		})
	}
}

func TestAMessageIsARecord(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	header := []wire.Field{{Name: "ce_id", Value: "1"}, {Name: "ce_x", Value: strings.Repeat("x", 200)}}
	event := engine.Message{To: engine.Address{Topic: "order"}, Key: "o-1", Header: header, Body: []byte("{}")}
	move := event
	move.To.Group, move.NotBefore, move.Key, move.Body = "g", now.Add(time.Microsecond), "", nil
	var p packing
	size := packingHead
	for _, m := range []*engine.Message{&event, &move} {
		x, about := measure(m)
		p.message(x, now)
		size += about
		require.LessOrEqual(t, len(p.data), size, "no larger than was said")
		require.Greater(t, len(p.data), size-2*overhead)
	}
	data, err := p.seal(0)
	require.NoError(t, err)
	rs, _, err := unpack(data[4:], 0)
	require.NoError(t, err)
	require.Equal(t, []record{
		{time: now, key: []byte("o-1"), value: []byte("{}"), header: headersOf("ce_id", "1", "ce_x", strings.Repeat("x", 200))},
		{offset: 1, time: now, header: headersOf("ce_id", "1", "ce_x", strings.Repeat("x", 200), topicHeader, "order", dueHeader, "1700000000001")},
	}, rs)
	require.Len(t, header, 2, "the caller's is as it was")
}

func TestAnAnswerThatWasCutShort(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	first, second := numberedRecords(r, 5, 9), numberedRecords(r, 14, 9)
	all := packed(t, 5, 0, first)
	whole := len(all)
	all = append(all, packed(t, 14, 0, second)...)
	for n := range len(all) {
		got, next, err := unpack(all[:n], 5)
		require.NoError(t, err)
		if n < whole {
			require.Empty(t, got)
			require.Equal(t, int64(5), next, "nothing is passed over")
			continue
		}
		require.Equal(t, first, got)
		require.Equal(t, int64(14), next)
	}
}

// What compaction has left of a batch keeps its offsets, and the batch its end.
func TestACompactedBatch(t *testing.T) {
	rs := []record{{offset: 5, time: time.UnixMilli(7), value: []byte("a"), header: headersOf()}}
	b := packed(t, 5, 0, rs)
	binary.BigEndian.PutUint32(b[23:], 94)
	got, next, err := unpack(sealed(b), 3)
	require.NoError(t, err)
	require.Equal(t, rs, got)
	require.Equal(t, int64(100), next)

	empty := bytes.Clone(b[:batchHead])
	binary.BigEndian.PutUint32(empty[8:], batchHead-batchBefore)
	binary.BigEndian.PutUint32(empty[57:], 0)
	got, next, err = unpack(sealed(empty), 3)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Equal(t, int64(100), next)
	_, next, err = unpack(nil, 3)
	require.NoError(t, err)
	require.Equal(t, int64(3), next, "there was no room left for the partition")
}

func TestTheTimeOfABatchIsTheBrokersIfItSaysSo(t *testing.T) {
	b := packed(t, 0, 0, []record{{time: time.UnixMilli(100)}, {time: time.UnixMilli(200)}})
	binary.BigEndian.PutUint16(b[21:], appendTime)
	binary.BigEndian.PutUint64(b[35:], 999)
	got, _, err := unpack(sealed(b), 0)
	require.NoError(t, err)
	require.Equal(t, []time.Time{time.UnixMilli(999), time.UnixMilli(999)}, []time.Time{got[0].time, got[1].time})
}

// Where a transaction ends is no record of anybody's.
func TestAMarkOfATransactionIsPassedOver(t *testing.T) {
	b := packed(t, 7, 0, []record{{key: []byte{0, 0, 0, 1}, value: []byte{0, 0, 0, 0, 0, 0}}})
	binary.BigEndian.PutUint16(b[21:], uint16(protocol.Control|protocol.Transactional))
	got, next, err := unpack(sealed(b), 7)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Equal(t, int64(8), next)
}

func TestABatchThatCannotBeRead(t *testing.T) {
	good := func() []byte { return packed(t, 7, 0, []record{{value: []byte("a")}}) }
	for why, spoil := range map[string]func(b []byte) []byte{
		"is of magic 1":            func(b []byte) []byte { b[16] = 1; return b },
		"it has 13 bytes":          func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], 1); return b },
		"checksum":                 func(b []byte) []byte { b[len(b)-3]++; return b },
		"2000 records in":          func(b []byte) []byte { binary.BigEndian.PutUint32(b[57:], 2000); return sealed(b) },
		"-1 records in":            func(b []byte) []byte { binary.BigEndian.PutUint32(b[57:], 1<<32-1); return sealed(b) },
		"unexpected EOF":           func(b []byte) []byte { b[batchHead+4] = 40; return sealed(b) },
		"compression 7 is unknown": func(b []byte) []byte { b[22] = 7; return sealed(b) },
		"gzip: ":                   func(b []byte) []byte { b[22] = 1; return sealed(b) },
	} {
		t.Run(why, func(t *testing.T) {
			before := good()
			got, next, err := unpack(append(before, spoil(packed(t, 8, 0, []record{{value: []byte("b")}}))...), 7)
			require.ErrorIs(t, err, errBatch)
			require.ErrorContains(t, err, why)
			require.Len(t, got, 1, "what comes before it is there")
			require.Equal(t, int64(8), next)
		})
	}
}

func TestARecordOfItsOwnOutlivesTheAnswer(t *testing.T) {
	b := packed(t, 0, 0, []record{{key: []byte("k"), value: []byte("v"), header: headersOf("h", "w")}})
	got, _, err := unpack(b, 0)
	require.NoError(t, err)
	own := got[0].own()
	clear(b)
	require.Equal(t, "kvw", string(own.key)+string(own.value)+own.header.get("h"))
	require.NotEqual(t, own, got[0])
}

func FuzzUnpack(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, how := range compressions {
		f.Add(packed(f, 5, how, numberedRecords(r, 5, 7)), int64(6))
	}
	f.Fuzz(func(t *testing.T, data []byte, from int64) {
		if len(data) >= batchHead { // most changes would stop at the checksum
			n := binary.BigEndian.Uint32(data[8:])
			if end := int64(n) + batchBefore; end >= batchHead && end <= int64(len(data)) {
				binary.BigEndian.PutUint32(data[17:], crc32.Checksum(data[21:end], crcTable))
			}
		}
		rs, next, err := unpack(data, from)
		if next < from || err == nil && len(rs) > 0 && next <= rs[0].offset {
			t.Fatalf("from %d to %d with %d records: %v", from, next, len(rs), err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := readAnswer(data)
		if err == nil && len(a.parts) > len(data) {
			t.Fatal(len(a.parts))
		}
	})
}

func TestKafkaErrorsOfAnAnswer(t *testing.T) {
	data := []byte{0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 0, 0, 0, 1,
		0, 0, 0, 3, 0, 6, 0, 0, 0, 0, 0, 0, 0, 8}
	data = append(data, make([]byte, 16)...)
	data = append(data, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)
	a, err := readAnswer(data)
	require.NoError(t, err)
	require.Equal(t, &answer{parts: []part{{place: place{"a", 3}, code: int16(kafka.NotLeaderForPartition), end: 8}}}, a)
	for n := range data {
		_, err := readAnswer(data[:n])
		require.ErrorIs(t, err, errAnswer, "%d bytes", n)
	}
}
