package integration_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
)

// redisPoison is what another producer may write into a stream and nobody can read: names and
// values of an entry.
var redisPoison = map[string][]string{
	"no headers":           {"data", `{"total":1}`},
	"nothing of ours":      {"hello", "world"},
	"empty headers":        {"ce", "", "data", "{}"},
	"headers not JSON":     {"ce", `{"specversion":`, "data", "{}"},
	"headers no object":    {"ce", `[1,2]`, "data", "{}"},
	"headers not UTF-8":    {"ce", "\xff\xfe\xff", "data", "{}"},
	"another version":      {"ce", `{"specversion":"7.0","id":"p","type":"order.created","source":"/x"}`, "data", "{}"},
	"no ID":                {"ce", `{"specversion":"1.0","type":"order.created","source":"/x"}`, "data", "{}"},
	"no type":              {"ce", `{"specversion":"1.0","id":"p","source":"/x"}`, "data", "{}"},
	"payload not JSON":     {"ce", `{"specversion":"1.0","id":"p","type":"order.created","source":"/x","datacontenttype":"application/json"}`, "data", `{"total":`},
	"payload bytes":        {"ce", `{"specversion":"1.0","id":"p","type":"order.created","source":"/x","datacontenttype":"application/json"}`, "data", "\xff\x00\xff"},
	"name and value bytes": {"\xff\x00", "\x00\xff", "data", "\xff"},
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

// poison publishes one of each, and returns what the letters must have kept of them.
func (f *foreign) poison(round int) (texts []string) {
	f.Helper()
	if f.redis != nil {
		for _, fields := range redisPoison {
			f.entry(fields)
			texts = append(texts, entryText(fields))
		}
		return texts
	}
	if f.kafka != nil {
		return f.kafka.poison()
	}
	for _, p := range rabbitPoison {
		p.Headers = maps.Clone(p.Headers)
		if p.Headers == nil {
			p.Headers = amqp.Table{}
		}
		p.Headers["round"] = fmt.Sprint(round) // what is alike in everything is one letter
		f.message(p)
		texts = append(texts, messageText(f.T, p))
	}
	return texts
}

// TestPoison of another producer, among a load: each message is one letter with its bytes, what
// is legal is handled, and neither holds anything up.
func TestPoison(t *testing.T) {
	onEach(t, func(t *testing.T, k broker.Kind) {
		b := broker.Start(t, k, broker.Options{})
		f := newForeign(t, b.Server)
		l := newLoad(t, b.Server, loadOptions{events: 1000, pace: 20 * time.Millisecond})
		l.serve()
		l.serve()
		l.publish()
		want := map[string]int{}
		for i := range scaledTimes(17) {
			for _, text := range f.poison(i) {
				l.foreign++
				want[text]++
			}
			l.foreignEvent(f, fmt.Sprint("bare-", i), nil)
		}
		require.NoError(t, l.judge().Err())
		got := map[string]int{}
		letters := l.letters()
		for i := range letters {
			if x := &letters[i]; x.EventID == "" {
				require.Equal(t, dlq.Undecodable, x.Reason)
				require.Zero(t, x.Attempts)
				require.NotEmpty(t, x.Errors)
				got[letterText(t, x)]++
			}
		}
		require.Equal(t, want, got)
		l.soon("everything is acknowledged", func() bool { return l.backlog() == 0 })
		l.stop()
		require.Zero(t, l.backlog(), "what was not acknowledged came back")
	})
}

// backlog is what waits for the group, or is under way, as far as the server tells.
func (l *load) backlog() int {
	l.t.Helper()
	g, err := l.bus.(eventbus.Inspector).Group(l.t.Context(), loadGroup+"."+loadName)
	require.NoError(l.t, err)
	return g.Lag + max(g.Pending, 0)
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

// entryText is all that an entry says: the headers are attributes where they can be told apart,
// and its fields as they stand where not.
func entryText(fields []string) string {
	header, body := map[string]string{}, ""
	for i := 0; i < len(fields); i += 2 {
		var attributes map[string]string
		switch {
		case fields[i] == "data":
			body = fields[i+1]
		case fields[i] == "ce" && json.Unmarshal([]byte(fields[i+1]), &attributes) == nil:
			for name, value := range attributes {
				header["ce_"+name] = value
			}
		default:
			header["field "+fields[i]] = fields[i+1]
		}
	}
	return keptText(header, []byte(body))
}

// letterText is what a letter has kept of an entry.
func letterText(t *testing.T, l *dlq.Letter) string {
	t.Helper()
	header := map[string]string{}
	for _, h := range l.Headers {
		name, value := h.Name, h.Value
		if coded, ok := strings.CutPrefix(name, "redis-field64-"); ok {
			plain, err := base64.RawURLEncoding.DecodeString(coded)
			require.NoError(t, err)
			text, err := base64.StdEncoding.DecodeString(value)
			require.NoError(t, err)
			name, value = "field "+string(plain), string(text)
		} else if plain, ok := strings.CutPrefix(name, "redis-field-"); ok {
			name = "field " + plain
		}
		header[letterName(name)] += value // a name may come twice
	}
	return keptText(header, l.Body)
}

func letterName(name string) string {
	if name == "content-type" {
		return "ce_datacontenttype"
	}
	return name
}

func keptText(header map[string]string, body []byte) string {
	return fmt.Sprintf("%q %q", header, body)
}
