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
	d.Header = make([]wire.Field, 0, len(r.header))
	size := 0
	for i := range r.header {
		size += len(r.header[i].Value)
	}
	var text strings.Builder
	text.Grow(size)
	for i := range r.header {
		text.Write(r.header[i].Value)
	}
	values := text.String() // all in one piece
	keyed, origin := false, ""
	for i := range r.header {
		h := &r.header[i]
		value := values[:len(h.Value)]
		values = values[len(h.Value):]
		switch h.Key {
		case topicHeader:
			d.To.Topic = value
		case dueHeader: // see dueOf
		default:
			switch h.Key {
			case originHeader:
				origin = value
			case "ce_type":
				d.Type = value
			case "ce_subject":
				d.Key, keyed = value, true
			}
			d.Header = append(d.Header, wire.Field{Name: h.Key, Value: value})
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
