package integration_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

// rabbitProducer is another program that publishes to the exchange of the load.
type rabbitProducer struct {
	*testing.T
	channel *amqp.Channel
}

func foreignOnRabbit(t *testing.T, s broker.Server) foreign {
	t.Helper()
	c, err := amqp.DialConfig(s.URL, amqp.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	ch, err := c.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	return &rabbitProducer{t, ch}
}

func (*rabbitProducer) takes(int) {} // up to 16 MiB

func (p *rabbitProducer) event(attributes map[string]string, data []byte) {
	p.Helper()
	m := amqp.Publishing{Headers: amqp.Table{}, Body: data}
	for name, value := range attributes {
		m.Headers["cloudEvents_"+name] = value
	}
	p.message(m)
}

func (p *rabbitProducer) bare(data []byte) { p.message(amqp.Publishing{Body: data}) }

func (p *rabbitProducer) message(m amqp.Publishing) {
	p.Helper()
	confirmed, err := p.channel.PublishWithDeferredConfirm(loadPrefix, "order.created", true, false, m)
	require.NoError(p, err)
	acked, err := confirmed.WaitContext(p.Context())
	require.NoError(p, err)
	require.True(p, acked)
}

// rabbitPoison is that for an exchange.
var rabbitPoison = func() map[string]amqp.Publishing {
	attributes := func(without string, changes amqp.Table) amqp.Table {
		h := amqp.Table{
			"cloudEvents_specversion": "1.0", "cloudEvents_id": "p", "cloudEvents_type": "order.created", "cloudEvents_source": "/x",
		}
		delete(h, "cloudEvents_"+without)
		maps.Copy(h, changes)
		return h
	}
	const structured = "application/cloudevents+json"
	return map[string]amqp.Publishing{
		"no headers":           {Body: []byte(`{"total":1}`)},
		"nothing at all":       {},
		"nothing of ours":      {Headers: amqp.Table{"hello": "world", "n1": int64(1), "yes": true}},
		"another version":      {Headers: attributes("", amqp.Table{"cloudEvents_specversion": "7.0"})},
		"no ID":                {Headers: attributes("id", nil)},
		"no type":              {Headers: attributes("type", nil)},
		"lists and tables":     {Headers: attributes("id", amqp.Table{"list": []any{"a", "b"}, "table": amqp.Table{"a": "b"}})},
		"payload not JSON":     {Headers: attributes("", nil), ContentType: "application/json", Body: []byte(`{"total":`)},
		"payload bytes":        {Headers: attributes("", nil), ContentType: "application/json", Body: []byte("\xff\x00\xff")},
		"name and value bytes": {Headers: amqp.Table{"\xff\x00": "\x00\xff"}, Body: []byte("\xff")},
		"structured not JSON":  {ContentType: structured, Body: []byte(`{"specversion":`)},
		"structured a list":    {ContentType: structured, Body: []byte(`[1,2]`)},
	}
}()

func (p *rabbitProducer) poison(round int) (texts []string) {
	p.Helper()
	for _, m := range rabbitPoison {
		m.Headers = maps.Clone(m.Headers)
		if m.Headers == nil {
			m.Headers = amqp.Table{}
		}
		m.Headers["round"] = fmt.Sprint(round) // what is alike in everything is one letter
		p.message(m)
		texts = append(texts, messageText(p.T, m))
	}
	return texts
}

// messageText is all that a message says.
func messageText(t *testing.T, p amqp.Publishing) string {
	t.Helper()
	header := map[string]string{}
	if p.ContentType != "" {
		header["ce_datacontenttype"] = p.ContentType
	}
	for name, value := range p.Headers {
		text, ok := value.(string)
		switch v := value.(type) {
		case []any, amqp.Table:
			plain, err := json.Marshal(v)
			require.NoError(t, err)
			text = string(plain)
		default:
			if !ok {
				text = fmt.Sprint(v)
			}
		}
		if rest, ok := strings.CutPrefix(name, "cloudEvents_"); ok {
			name = "ce_" + rest
		}
		header[name] = text
	}
	return keptText(header, p.Body)
}
