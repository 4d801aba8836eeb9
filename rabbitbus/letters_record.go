package rabbitbus

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The kinds of records, as the type of the message says. Others are passed over.
const (
	letterKept    = "eventbus.letter"
	letterRemoved = "eventbus.removed"    // the body is the IDs, a JSON array
	letterMark    = "eventbus.mark"       // for its writer, who reads up to it
	letterGenesis = "eventbus.genesis"    // so that there is something to read at any time
	letterNumber  = "eventbus.generation" // of the pointer: the body is a number
)

const (
	headerStored = "x-eventbus-stored" // when the letter was stored: nanoseconds since 1970
	headerBorn   = "x-eventbus-born"   // of a copy: where the letter was first
	headerOffset = "x-stream-offset"
)

// letterPlace is a place in the log of a group, which goes through all generations. What was
// written when something else had been stored has the greater place.
type letterPlace struct{ generation, offset uint64 }

func (p letterPlace) before(q letterPlace) bool {
	return p.generation < q.generation || p.generation == q.generation && p.offset < q.offset
}

func (p letterPlace) compare(q letterPlace) int {
	switch {
	case p.before(q):
		return -1
	case q.before(p):
		return 1
	}
	return 0
}

func (p letterPlace) String() string {
	return strconv.FormatUint(p.generation, 10) + "-" + strconv.FormatUint(p.offset, 10)
}

func parseLetterPlace(s string) (p letterPlace, err error) {
	generation, offset, _ := strings.Cut(s, "-")
	if p.generation, err = strconv.ParseUint(generation, 10, 64); err == nil {
		p.offset, err = strconv.ParseUint(offset, 10, 64)
	}
	return p, err
}

// letterRecordOf is a record as it is written. Its ID is its own: by it the writer knows it
// again.
func letterRecordOf(kind string, body []byte) amqp.Publishing {
	return amqp.Publishing{DeliveryMode: amqp.Persistent, Type: kind, MessageId: rand.Text(), Body: body}
}

// letterRecord is a record as it is read.
type letterRecord struct {
	kind, nonce string
	place       letterPlace
	size        int
	ids         []string     // that were removed
	entry       *letterEntry // of a letter
}

// parseLetterRecord reads a record of the generation. With an error it is one that nobody can
// read.
func parseLetterRecord(generation uint64, d *amqp.Delivery) (r letterRecord, err error) {
	r = letterRecord{kind: d.Type, nonce: d.MessageId, size: len(d.Body), place: letterPlace{generation, offsetOf(d)}}
	switch d.Type {
	case letterRemoved:
		err = json.Unmarshal(d.Body, &r.ids)
	case letterKept:
		r.entry, err = newLetterEntry(r.place, d)
	}
	if err != nil {
		return r, fmt.Errorf("record %v: %w", r.place, err)
	}
	return r, nil
}

func offsetOf(d *amqp.Delivery) uint64 {
	n, _ := d.Headers[headerOffset].(int64)
	return uint64(max(n, 0))
}

// copyOf is the record of a letter as a compaction writes it again.
func copyOf(e *letterEntry, d *amqp.Delivery) amqp.Publishing {
	p := letterPublishing(d.Body, time.Unix(0, e.stored))
	p.Headers[headerBorn] = e.born.String()
	return p
}
