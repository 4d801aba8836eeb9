package rabbitbus

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// incoming is a delivery, and how long it is not due yet.
type incoming struct {
	*engine.Delivery
	due time.Time
}

// delivery makes one of what the server has delivered.
func (s *source) delivery(d *amqp.Delivery) incoming {
	in := incoming{Delivery: &engine.Delivery{Receipt: engine.Receipt{N: d.DeliveryTag}}}
	in.Body = d.Body
	in.Redelivered = redelivered(d)
	in.Header = make([]wire.Field, 0, len(d.Headers)+1)
	topic, place := "", ""
	for name, value := range d.Headers {
		switch name {
		case placeHeader:
			place, _ = value.(string)
		case topicHeader:
			topic, _ = value.(string)
		case dueHeader:
			in.due = milli(value)
		case "CC": // sent again it would lead elsewhere, or be refused
			in.Header = append(in.Header, wire.Field{Name: property + "cc", Value: text(value)})
		default:
			if !ofServer(name) {
				in.Header = append(in.Header, field(name, value))
			}
		}
	}
	slices.SortFunc(in.Header, byName)
	in.Header = appendProperties(in.Header, d)
	if d.Exchange == "" {
		in.To.Group = s.member.group.Name
	}
	in.To.Topic = topicOf(topic, in.Header, d)
	in.Key = valueOf(in.Header, "ce_subject")
	in.Type = valueOf(in.Header, "ce_type")
	if place == "" {
		place = fingerprint(in.Header, d)
	}
	in.Origin = engine.Origin{Topic: in.To.Topic, S: place}
	return in
}

// redelivered is how often the message was delivered before, as far as the server counts.
func redelivered(d *amqp.Delivery) int {
	n := 0
	switch c := d.Headers["x-delivery-count"].(type) {
	case int64:
		n = int(c)
	case int32:
		n = int(c)
	}
	if d.Redelivered {
		n = max(n, 1)
	}
	return n
}

// ofServer reports whether the server has added the header, on the way to here.
func ofServer(name string) bool {
	switch name {
	case "x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason",
		"x-last-death-exchange", "x-last-death-queue", "x-last-death-reason",
		"x-delivery-count", "x-acquired-count":
		return true
	}
	return false
}

// topicOf is the topic that the sender has named, or the aggregate type, or the first word of
// the key that the message was published with.
func topicOf(said string, header []wire.Field, d *amqp.Delivery) string {
	if said != "" {
		return said
	}
	if of := valueOf(header, "ce_aggregatetype"); of != "" {
		return of
	}
	first, _, _ := strings.Cut(d.RoutingKey, ".")
	return first
}

// byName makes an order of what comes in none; the same name can come twice, once by each
// binding of CloudEvents.
func byName(a, b wire.Field) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return strings.Compare(a.Value, b.Value)
}

func valueOf(header []wire.Field, name string) string {
	for i := range header {
		if header[i].Name == name {
			return header[i].Value
		}
	}
	return ""
}

// field is a header in the library's vocabulary.
func field(name string, value any) wire.Field {
	if known, ok := usualOnWire[name]; ok {
		return wire.Field{Name: known, Value: text(value)}
	}
	for _, prefix := range []string{onWire, "cloudEvents:"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = attribute + rest
			break
		}
	}
	return wire.Field{Name: name, Value: text(value)}
}

// text is the value of a header in the string form that CloudEvents gives it; of what
// CloudEvents does not know, JSON or base64.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case amqp.Table, []any:
		out, err := json.Marshal(v)
		if err == nil {
			return string(out)
		}
	case nil:
		return ""
	}
	return fmt.Sprint(value)
}

// Native properties that do not say what a header says already are headers of these names.
const property = "amqp-"

func appendProperties(h []wire.Field, d *amqp.Delivery) []wire.Field {
	if d.ContentType != "" {
		h = append(h, wire.Field{Name: contentType, Value: d.ContentType})
	}
	said := func(name, value string) string {
		if value == valueOf(h, name) {
			return ""
		}
		return value
	}
	for _, p := range []wire.Field{
		{Name: "app-id", Value: d.AppId}, {Name: "content-encoding", Value: d.ContentEncoding},
		{Name: "correlation-id", Value: d.CorrelationId}, {Name: "expiration", Value: d.Expiration},
		{Name: "message-id", Value: said("ce_id", d.MessageId)}, {Name: "reply-to", Value: d.ReplyTo},
		{Name: "type", Value: said("ce_type", d.Type)}, {Name: "user-id", Value: d.UserId},
	} {
		if p.Value != "" && valueOf(h, property+p.Name) == "" {
			h = append(h, wire.Field{Name: property + p.Name, Value: p.Value})
		}
	}
	return h
}

// fingerprint stands for the place of a message that has none: the same for the same message,
// and for another one that is equal in everything.
func fingerprint(header []wire.Field, d *amqp.Delivery) string {
	h := sha256.New()
	part := func(s string) {
		_, _ = h.Write([]byte(strconv.Itoa(len(s)) + ":"))
		_, _ = h.Write([]byte(s))
	}
	part(d.RoutingKey)
	part(strconv.FormatInt(d.Timestamp.Unix(), 10))
	for _, f := range header {
		part(f.Name)
		part(f.Value)
	}
	_, _ = h.Write(d.Body)
	return "x" + hex.EncodeToString(h.Sum(nil)[:16])
}

func milli(value any) time.Time {
	s, _ := value.(string)
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
