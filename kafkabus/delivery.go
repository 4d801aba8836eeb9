package kafkabus

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// delivery makes one of a record.
func (s *source) delivery(r *record) *engine.Delivery {
	d := &engine.Delivery{Receipt: engine.Receipt{N: uint64(r.offset)}}
	d.Body = bytes.Clone(r.value)
	d.To.Topic, d.To.Group = s.eventTopic, s.ownGroup
	size, n := 0, 0
	for _, value := range r.header.all() {
		size += len(value)
		n++
	}
	d.Header = make([]wire.Field, 0, n)
	var text strings.Builder
	text.Grow(size)
	for _, value := range r.header.all() {
		text.Write(value)
	}
	values := text.String() // all in one piece
	keyed, origin, at := false, "", 0
	for name, value := range r.header.all() {
		name, value := s.name(at, name), values[:len(value)]
		values = values[len(value):]
		at++
		switch name {
		case topicHeader:
			d.To.Topic = value
		case dueHeader: // see dueOf
		default:
			switch name {
			case originHeader:
				origin = value
			case "ce_type":
				d.Type = value
			case "ce_subject":
				d.Key, keyed = value, true
			}
			d.Header = append(d.Header, wire.Field{Name: name, Value: value})
		}
	}
	if !keyed {
		d.Key = string(r.key)
	}
	d.Origin = engine.Origin{Topic: s.place.topic, Shard: uint32(s.place.partition), N: uint64(r.offset)}
	if r.offset < s.opened || len(s.tried) > 0 && s.tried[cmp.Or(origin, d.Origin.String())] {
		d.Redelivered = 1
	}
	return d
}

func milli(value string) time.Time {
	ms, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// mostNames is how many names of headers are kept.
const mostNames = 32

// name is that of a header in such a place: mostly that of the record before, whose memory it has.
func (s *source) name(at int, name []byte) string {
	if at < len(s.names) && s.names[at] == string(name) {
		return s.names[at]
	}
	text := string(name)
	switch {
	case at < len(s.names):
		s.names[at] = text
	case at < mostNames:
		s.names = append(s.names, text)
	}
	return text
}
