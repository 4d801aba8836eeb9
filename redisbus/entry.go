package redisbus

import (
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

// streamEntry is one of a stream: its ID, and names and values in turn. Fields are nil where
// it was deleted or trimmed.
type streamEntry struct {
	id     string
	fields []any
}

// delivery makes one of an entry. What cannot be read is handed on as it stands.
func (f *feedOf) delivery(which uint64, e streamEntry, before int) *engine.Delivery {
	d := &engine.Delivery{Receipt: engine.Receipt{N: which, S: e.id}, Redelivered: before}
	d.To.Topic = f.topic
	d.Origin = engine.Origin{Topic: f.topic, S: "0/" + e.id}
	if which == fromOwn {
		d.To.Group = f.member.group.Name
		d.Origin.S = d.To.Group + "/" + e.id
	}
	var ce string
	for i := 0; i+1 < len(e.fields); i += 2 {
		name, _ := e.fields[i].(string)
		value, _ := e.fields[i+1].(string)
		switch name {
		case "ce":
			ce = value
		case "data":
			d.Body = []byte(value)
		}
	}
	var err error
	if ce == "" {
		err = fmt.Errorf("%w: an entry needs the field ce (docs/wire-redis.md)", eventbus.ErrUndecodable)
	} else {
		d.Header, err = wire.ParseHeader([]byte(ce))
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
func verbatim(fields []any) (h []wire.Field) {
	for i := 0; i+1 < len(fields); i += 2 {
		name, _ := fields[i].(string)
		value, _ := fields[i+1].(string)
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

// parseStreams reads the answer of XREADGROUP in RESP2: a list of streams, each its key and its
// entries.
func parseStreams(answer any, each func(key string, e streamEntry)) error {
	streams, ok := answer.([]any)
	if !ok {
		return fmt.Errorf("redisbus: XREADGROUP answers with a %T", answer)
	}
	for _, s := range streams {
		pair, ok := s.([]any)
		if !ok || len(pair) != 2 {
			return fmt.Errorf("redisbus: XREADGROUP answers with a stream of %T", s)
		}
		key, _ := pair[0].(string)
		if err := parseEntries(pair[1], func(e streamEntry) { each(key, e) }); err != nil {
			return err
		}
	}
	return nil
}

func parseEntries(answer any, each func(e streamEntry)) error {
	entries, ok := answer.([]any)
	if !ok {
		return fmt.Errorf("redisbus: the server answers with entries of %T", answer)
	}
	for _, x := range entries {
		pair, ok := x.([]any)
		if !ok || len(pair) != 2 {
			return fmt.Errorf("redisbus: the server answers with an entry of %T", x)
		}
		e := streamEntry{}
		e.id, _ = pair[0].(string)
		e.fields, _ = pair[1].([]any)
		each(e)
	}
	return nil
}
