package integration_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
)

// poison is what another producer may write into a stream and nobody can read, by kind: names
// and values of an entry.
var poison = map[string][]string{
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

// bare is legal: a CloudEvent without a payload.
const bare = `{"specversion":"1.0","id":%q,"type":"order.created","source":"/x"}`

// TestRedisPoison of another producer, among a load: each entry is one letter with its bytes, what
// is legal is handled, and neither holds anything up.
func TestRedisPoison(t *testing.T) {
	t.Parallel()
	b := broker.Start(t, broker.Redis, broker.Options{})
	c, err := redisClient(b.Server, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	l := newLoad(t, b.Server, loadOptions{events: 1000, pace: 20 * time.Millisecond})
	l.serve()
	l.serve()
	l.publish()
	want := map[string]int{}
	each := scaledTimes(17)
	for i := range each {
		for _, fields := range poison {
			l.foreign++
			want[entryText(fields)]++
			require.NoError(t, c.XAdd(t.Context(), &redis.XAddArgs{Stream: lossStream, Values: fields}).Err())
		}
		l.legal(c, fmt.Sprint("bare-", i))
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
	l.soon("everything is acknowledged", func() bool {
		groups, err := c.XInfoGroups(t.Context(), lossStream).Result()
		return err == nil && groups[0].Pending == 0 && groups[0].Lag == 0
	})
	l.stop()
}

// legal appends an event without a payload, and writes it down as published.
func (l *load) legal(c *redis.Client, id string) {
	l.t.Helper()
	r := journal.Record{What: journal.Attempted, EventID: id, EventType: "order.created", AggregateType: "order", Sum: journal.Sum(nil)}
	require.NoError(l.t, l.written.Write(r))
	require.NoError(l.t, c.XAdd(l.t.Context(), &redis.XAddArgs{Stream: lossStream, Values: []string{"ce", fmt.Sprintf(bare, id)}}).Err())
	r.What = journal.Published
	require.NoError(l.t, l.written.Write(r))
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
	return fmt.Sprintf("%q %q", header, body)
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
		} else if name == "content-type" {
			name = "ce_datacontenttype"
		}
		header[name] = value
	}
	return fmt.Sprintf("%q %q", header, l.Body)
}
