package bustest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// envelope are the headers of a good foreign message, changed by pairs of name and
// value; an empty value takes a header out.
func envelope(changes ...string) []dlq.Header {
	h := []dlq.Header{
		{Name: "ce_specversion", Value: "1.0"}, {Name: "ce_id", Value: "foreign-1"}, {Name: "ce_type", Value: "order.created"},
		{Name: "ce_source", Value: "urn:elsewhere"}, {Name: "ce_subject", Value: "a"}, {Name: "content-type", Value: "application/json"},
	}
	for c := range slices.Chunk(changes, 2) {
		h = slices.DeleteFunc(h, func(h dlq.Header) bool { return h.Name == c[0] })
		if c[1] != "" {
			h = append(h, dlq.Header{Name: c[0], Value: c[1]})
		}
	}
	return h
}

var unreadable = []test{
	{
		name:    "Foreign/CloudEvent",
		promise: "A CloudEvent of another producer is handled, with attributes and headers that the library does not know.",
		needs:   []part{canInject},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.inject("order", Foreign{Headers: envelope("ce_shard", "7", "x-trace", "abc", "ce_time", "2024-02-29T12:00:00.5+01:00"), Body: []byte(`{"Number":7}`)})
			e := got.good.wait(1)[0].event
			equal(k, "event", []string{e.ID, e.Type, e.Source, e.AggregateType, e.AggregateID, string(e.Data())},
				[]string{"foreign-1", "order.created", "urn:elsewhere", "order", "a", `{"Number":7}`})
			equal(k, "extension, metadata and time", []string{e.Extensions["shard"], e.Metadata["x-trace"], e.Time.UTC().String()},
				[]string{"7", "abc", "2024-02-29 11:00:00.5 +0000 UTC"})
		},
	},
	{
		name:    "Foreign/Structured",
		promise: "A CloudEvent in structured mode, one JSON document, is handled like one in binary mode.",
		needs:   []part{canInject},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			document := `{"specversion":"1.0","id":"s-1","type":"invoice.created","source":"urn:elsewhere","subject":"a","data":{"Number":7}}`
			bus.inject("invoice", Foreign{Headers: []dlq.Header{{Name: "content-type", Value: "application/cloudevents+json"}}, Body: []byte(document)})
			e := got.good.wait(1)[0].event
			equal(k, "event", []string{e.ID, e.Type, e.AggregateID, e.ContentType, string(e.Data())},
				[]string{"s-1", "invoice.created", "a", "application/json", `{"Number":7}`})
		},
	},
	unreadableAs("NoType", Foreign{Headers: envelope("ce_type", ""), Body: []byte(`{}`)}),
	unreadableAs("NoHeaders", Foreign{Body: []byte("hello")}),
	unreadableAs("Nothing", Foreign{}),
	unreadableAs("BadJSON", Foreign{Headers: envelope(), Body: []byte(`{"Number":`)}),
	unreadableAs("BadBytes", Foreign{Headers: envelope(), Body: bytes.Repeat([]byte{0xff}, 64)}),
	unreadableAs("BadVersion", Foreign{Headers: envelope("ce_specversion", "7.0"), Body: []byte(`{}`)}),
	unreadableAs("BadTime", Foreign{Headers: envelope("ce_time", "yesterday"), Body: []byte(`{}`)}),
	unreadableAs("BadStructured", Foreign{Headers: []dlq.Header{{Name: "content-type", Value: "application/cloudevents+json"}}, Body: []byte(`[1]`)}),
	{
		name:    "Unreadable/Replayed",
		promise: "An unreadable letter may be replayed: it comes back as it was, with one replay more to its count.",
		needs:   []part{canInject, hasLetters},
		run: func(k *kit) {
			bus, _ := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.inject("order", Foreign{Headers: envelope("ce_id", ""), Body: []byte{0, 255, 10}})
			q := bus.letters()
			first := q.one()
			equal(k, "letters replayed", q.replay(dlq.All, dlq.ReplayOptions{}).Replayed, 1)
			again := q.one()
			equal(k, "letter", fmt.Sprint(again.Reason, again.Replays, again.Body, again.ID != first.ID), fmt.Sprint(first.Reason, 1, first.Body, true))
			equal(k, "headers, sorted", headers(again.Headers), headers(first.Headers))
		},
	},
}

// unreadableAs makes a case of one message that is no event.
func unreadableAs(name string, m Foreign) test {
	return test{
		name:    "Unreadable/" + name,
		promise: "A message that cannot be read becomes a letter of every subscriber of its topic, byte for byte, and holds up nothing.",
		needs:   []part{canInject, hasLetters},
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := map[string]*recorder{}
			for subscriber, pattern := range map[string]string{"exact": "order.created", "wide": "order.*", "all": "#"} {
				got[subscriber] = bus.handle(eventbus.Subscriber{Name: subscriber, Events: []string{pattern}}, nil)
			}
			other := bus.handle(eventbus.Subscriber{Name: "other", Events: []string{"invoice.*"}}, nil)
			bus.start()
			bus.publish(order("a", 1))
			bus.inject("order", m)
			bus.publish(order("a", 2), invoice("a", 3))
			q := bus.letters()
			for subscriber, r := range got {
				l := q.wait(1, dlq.Filter{Subscriber: subscriber})[0]
				equal(k, "reason", l.Reason, dlq.Undecodable)
				equal(k, "body", string(l.Body), string(m.Body))
				equal(k, "headers, sorted", headers(l.Headers), headers(m.Headers))
				equal(k, "topic", l.Topic, "order")
				r.good.wait(2)
			}
			equal(k, "orders handled", got["exact"].handled(2), []string{"a-1", "a-2"})
			equal(k, "invoices handled", other.handled(1), []string{"invoice-a-3"})
			equal(k, "letters of all", q.count(dlq.Filter{}), 3)
		},
	}
}

func headers(all []dlq.Header) []string {
	var out []string
	for _, h := range all {
		out = append(out, fmt.Sprintf("%s: %q", h.Name, h.Value))
	}
	slices.Sort(out)
	return out
}
