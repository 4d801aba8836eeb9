package bench

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaHeaders are those of an event, as docs/wire-kafka.md has them. What differs between
// events is set by place.
type kafkaHeaders []kafka.Header

const kafkaID, kafkaSubject, kafkaVersion, kafkaKey = 1, 4, 7, 8

func (s shape) kafkaHeaders() kafkaHeaders {
	e := s.made
	h := kafkaHeaders{
		{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id"}, {Key: "ce_type", Value: []byte(e.Type)},
		{Key: "ce_source", Value: []byte(e.Source)}, {Key: "ce_subject"},
		{Key: "ce_time", Value: []byte(e.Time.UTC().Format(time.RFC3339Nano))},
		{Key: "ce_aggregatetype", Value: []byte(e.AggregateType)}, {Key: "ce_aggregateversion"}, {Key: "ce_partitionkey"},
		{Key: "content-type", Value: []byte(e.ContentType)},
	}
	if e.SchemaVersion != 0 {
		h = append(h, kafka.Header{Key: "ce_schemaversion", Value: strconv.AppendInt(nil, int64(e.SchemaVersion), 10)})
	}
	return h
}

// of returns the headers of one event.
func (h kafkaHeaders) of(id, key []byte, version int) kafkaHeaders {
	out := append(make(kafkaHeaders, 0, len(h)), h...)
	out[kafkaID].Value, out[kafkaSubject].Value, out[kafkaKey].Value = id, key, key
	out[kafkaVersion].Value = strconv.AppendInt(nil, int64(version), 10)
	return out
}

// franzHeaders are the same for franz-go.
func franzHeaders(h []kgo.RecordHeader, id, key []byte, version int) []kgo.RecordHeader {
	out := append(make([]kgo.RecordHeader, 0, len(h)), h...)
	out[kafkaID].Value, out[kafkaSubject].Value, out[kafkaKey].Value = id, key, key
	out[kafkaVersion].Value = strconv.AppendInt(nil, int64(version), 10)
	return out
}

// texts are as bytes what every event has as text.
func texts(of []string) [][]byte {
	out := make([][]byte, len(of))
	for i, text := range of {
		out[i] = []byte(text)
	}
	return out
}

// attribute takes what a subscriber must know of an event, and looks at the rest.
func (e *envelope) attribute(name string, value []byte) {
	switch name {
	case "ce_specversion":
		if string(value) == "1.0" {
			e.SpecVersion = "1.0"
		}
	case "ce_id":
		e.ID = string(value)
	case "ce_type":
		e.Type = string(value)
	case "ce_source":
		e.Source = string(value)
	case "ce_subject":
		e.Subject = string(value)
	case "ce_time":
		e.Time = string(value)
	case "ce_aggregateversion":
		e.AggregateVersion = string(value)
	case "content-type":
		if string(value) == "application/json" {
			e.DataContentType = "application/json"
		}
	}
}

// recorded is complete, and refuses what was not published.
func (e envelope) recorded(s shape, body []byte) (envelope, error) {
	e, err := e.complete()
	if err != nil || len(body) != len(s.made.Data()) || e.Type != s.made.Type || e.SpecVersion == "" || e.ID == "" || e.Subject == "" {
		return e, fmt.Errorf("event %s is not what was published: %w", e.ID, errors.Join(err, errOther))
	}
	return e, nil
}

var errOther = errors.New("other attributes or another payload")
