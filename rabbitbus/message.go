package rabbitbus

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// Headers of ours beside the facts of delivery, which are named alike.
const (
	// placeHeader names the message, as a position in a log would: the server has none.
	placeHeader = "eventbus-place"
	// topicHeader is the topic of a message that is for one group.
	topicHeader = "eventbus-topic"
	// dueHeader is the earliest time of a retry, in ms since 1970.
	dueHeader = "eventbus-due"
)

const (
	contentType = "content-type"
	attribute   = "ce_"          // in the library's vocabulary
	onWire      = "cloudEvents_" // as the CloudEvents binding of AMQP has it; cloudEvents: is read too
	longest     = 255            // of a header's name, or of a property
)

// envelope is where a message goes, and what it is called there.
type envelope struct {
	exchange, key string
	place         string
	step          time.Duration // in which a retry waits; 0: none
}

// envelope addresses the message to whoever wants it, or to a group alone: to its queue, or to
// where it waits.
func (t *transport) envelope(m *engine.Message) envelope {
	e := envelope{exchange: t.names.exchange(), key: m.Type, place: t.place()}
	if !m.IsMove() {
		return e
	}
	e.exchange, e.key = "", t.names.queue(m.To.Group)
	if left := m.NotBefore.Sub(t.now()); !m.NotBefore.IsZero() && left > 0 {
		e.step = stepFor(left)
		e.key = t.names.step(m.To.Group, e.step)
	}
	return e
}

// fill makes what the client takes of a message. The table of headers is there, and empty.
func (t *transport) fill(p *amqp.Publishing, e *envelope, m *engine.Message) error {
	p.Body, p.DeliveryMode = m.Body, amqp.Persistent
	for _, f := range m.Header {
		if err := add(p, f); err != nil {
			return err
		}
	}
	p.Headers[placeHeader] = e.place
	if !m.IsMove() {
		t.options.addSecondKey(p.Headers)
		return nil
	}
	p.Headers[topicHeader] = m.To.Topic
	if e.step > 0 {
		p.Headers[dueHeader] = strconv.FormatInt(ceilMilli(m.NotBefore), 10)
	}
	return nil
}

// ceilMilli is never before the time.
func ceilMilli(at time.Time) int64 { return at.Add(time.Millisecond - 1).UnixMilli() }

// add adds a header, and sets the native property that stands for it too. The first of a name
// counts: there can be no other.
func add(p *amqp.Publishing, f wire.Field) error {
	name := f.Name
	switch {
	case name == contentType && len(f.Value) <= longest:
		if p.ContentType == "" {
			p.ContentType = f.Value
		}
		return nil
	case strings.HasPrefix(name, attribute):
		name = wireName(name)
	}
	if len(name) > longest {
		return fmt.Errorf("%w: a header's name is of %d bytes, and AMQP takes %d", eventbus.ErrRefused, len(name), longest)
	}
	if _, have := p.Headers[name]; have {
		return nil
	}
	p.Headers[name] = f.Value
	if len(f.Value) > longest {
		return nil
	}
	switch f.Name {
	case "ce_id":
		p.MessageId = f.Value
	case "ce_type":
		p.Type = f.Value
	case "ce_time":
		if at, err := time.Parse(time.RFC3339Nano, f.Value); err == nil && at.Unix() > 0 {
			p.Timestamp = at
		}
	}
	return nil
}

// usual are the attributes that events have, so that their names are not made anew for each.
var usual = func() map[string]string {
	names := map[string]string{}
	for _, name := range []string{
		"specversion", "id", "type", "source", "subject", "time", "dataschema", "aggregatetype", "aggregateversion", "schemaversion",
		"partitionkey", "correlationid", "causationid", "tenantid", "actorid", "expirytime", "traceparent", "tracestate",
	} {
		names[attribute+name] = onWire + name
	}
	return names
}()

// usualOnWire are the same the other way.
var usualOnWire = func() map[string]string {
	names := map[string]string{}
	for ours, theirs := range usual {
		names[theirs] = ours
	}
	return names
}()

// wireName is the header of an attribute.
func wireName(name string) string {
	if known, ok := usual[name]; ok {
		return known
	}
	return onWire + name[len(attribute):]
}

// place is a name that no other message has.
func (t *transport) place() string {
	name := make([]byte, 0, 32)
	name = append(append(name, t.instance...), '-')
	return string(strconv.AppendUint(name, t.placed.Add(1), 36))
}
