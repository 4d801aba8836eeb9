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

// envelope makes what is sent of a message.
func (t *transport) envelope(m *engine.Message) (*envelope, error) {
	e := &envelope{exchange: t.names.exchange(), key: m.Type, place: t.place()}
	e.Body, e.DeliveryMode, e.Headers = m.Body, amqp.Persistent, make(amqp.Table, len(m.Header)+2)
	for _, f := range m.Header {
		if err := e.add(f); err != nil {
			return e, err
		}
	}
	e.Headers[placeHeader] = e.place
	if m.To.Group == "" {
		return e, nil
	}
	e.Headers[topicHeader] = m.To.Topic
	t.address(e, m.To.Group, m.NotBefore)
	return e, nil
}

// address sends the message to a group alone: to its queue, or to where it waits.
func (t *transport) address(e *envelope, group string, due time.Time) {
	e.exchange, e.key, e.move, e.group = "", t.names.queue(group), true, group
	if left := due.Sub(t.now()); !due.IsZero() && left > 0 {
		e.step = stepFor(left)
		e.key = t.names.step(group, e.step)
		e.Headers[dueHeader] = strconv.FormatInt(ceilMilli(due), 10)
	}
}

// ceilMilli is never before the time.
func ceilMilli(at time.Time) int64 { return at.Add(time.Millisecond - 1).UnixMilli() }

// add adds a header, and sets the native property that stands for it too. The first of a name
// counts: there can be no other.
func (e *envelope) add(f wire.Field) error {
	name := f.Name
	switch {
	case name == contentType && len(f.Value) <= longest:
		if e.ContentType == "" {
			e.ContentType = f.Value
		}
		return nil
	case strings.HasPrefix(name, attribute):
		name = onWire + name[len(attribute):]
	}
	if len(name) > longest {
		return fmt.Errorf("%w: a header's name is of %d bytes, and AMQP takes %d", eventbus.ErrRefused, len(name), longest)
	}
	if _, have := e.Headers[name]; have {
		return nil
	}
	e.Headers[name] = f.Value
	if len(f.Value) > longest {
		return nil
	}
	switch f.Name {
	case "ce_id":
		e.MessageId = f.Value
	case "ce_type":
		e.Publishing.Type = f.Value
	case "ce_time":
		if at, err := time.Parse(time.RFC3339Nano, f.Value); err == nil && at.Unix() > 0 {
			e.Timestamp = at
		}
	}
	return nil
}

// place is a name that no other message has.
func (t *transport) place() string {
	return t.instance + "-" + strconv.FormatUint(t.placed.Add(1), 36)
}
