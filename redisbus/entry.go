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
	var ce []byte
	for i := 0; i+1 < len(e.fields); i += 2 {
		switch string(e.fields[i]) {
		case "ce":
			ce = e.fields[i+1]
		case "data":
			d.Body = bytes.Clone(e.fields[i+1])
		}
	}
	var err error
	if len(ce) == 0 {
		err = fmt.Errorf("%w: an entry needs the field ce (docs/wire-redis.md)", eventbus.ErrUndecodable)
	} else {
		d.Header, err = wire.ParseHeader(ce)
	}
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

// Names of headers in which fields of an entry that is no event are kept verbatim: as they
// are, or name and value in base64 where they are not text.
const (
	rawField   = "redis-field-"
	rawField64 = "redis-field64-"
)

// verbatim keeps the fields of an entry that is no event, but for data, as headers.
func verbatim(fields [][]byte) (h []wire.Field) {
	for i := 0; i+1 < len(fields); i += 2 {
		name, value := string(fields[i]), string(fields[i+1])
		switch {
		case name == "data":
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
