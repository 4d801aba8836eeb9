package redisbus

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// Which of its two streams a delivery came from stands in Receipt.N.
const (
	fromTopic = iota
	fromOwn
)

// streamEntry is one of a stream: its ID, and names and values in turn.
type streamEntry struct {
	id     []byte
	fields [][]byte
	gone   bool // it was deleted or trimmed, and has no fields
}

// delivery makes one of an entry, of which it keeps nothing. What cannot be read is handed
// on as it stands.
func (f *feedOf) delivery(which uint64, e streamEntry, before int) *engine.Delivery {
	place := "0/"
	if which == fromOwn {
		place = f.member.group.Name + "/"
	}
	at := place + string(e.id)
	d := &engine.Delivery{Receipt: engine.Receipt{N: which, S: at[len(place):]}, Redelivered: before}
	d.To.Topic = f.topic
	d.Origin = engine.Origin{Topic: f.topic, S: at}
	if which == fromOwn {
		d.To.Group = f.member.group.Name
	}
	var err error
	d.Header, d.Body, err = event(e.fields)
	if err != nil {
		d.Err = err
		d.Header = verbatim(e.fields)
		return d
	}
	for _, h := range d.Header {
		if h.Name == "ce_subject" {
			d.Key = h.Value
			break
		}
	}
	return d
}

// event reads the fields of an entry. The body is a copy.
func event(fields [][]byte) (h []wire.Field, body []byte, err error) {
	var ce []byte
	n := 0
	for i := 0; i+1 < len(fields); i += 2 {
		switch string(fields[i]) {
		case "ce":
			ce = fields[i+1]
			n++
		case "data":
			body = bytes.Clone(fields[i+1])
		}
	}
	if n != 1 || len(ce) == 0 {
		return nil, body, fmt.Errorf("%w: an entry needs the field ce, once (docs/wire-redis.md)", eventbus.ErrUndecodable)
	}
	h, err = wire.ParseHeader(ce)
	return h, body, err
}

// Names of headers in which fields of an entry that is no event are kept verbatim: as they
// are, or name and value in base64 where they are not text.
const (
	rawField   = "redis-field-"
	rawField64 = "redis-field64-"
)

// verbatim keeps the fields of an entry that is no event as headers, but for the last data,
// which is the body.
func verbatim(fields [][]byte) (h []wire.Field) {
	body := -1
	for i := 0; i+1 < len(fields); i += 2 {
		if string(fields[i]) == "data" {
			body = i
		}
	}
	for i := 0; i+1 < len(fields); i += 2 {
		name, value := string(fields[i]), string(fields[i+1])
		switch {
		case i == body:
		case utf8.ValidString(name) && utf8.ValidString(value):
			h = append(h, wire.Field{Name: rawField + name, Value: value})
		default:
			h = append(h, wire.Field{
				Name:  rawField64 + base64.RawURLEncoding.EncodeToString([]byte(name)),
				Value: base64.StdEncoding.EncodeToString([]byte(value)),
			})
		}
	}
	return h
}
