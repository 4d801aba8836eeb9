package integration_test

import (
	"encoding/json"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

// redisProducer is another program that appends to the stream of the load.
type redisProducer struct {
	*testing.T
	client *redis.Client
}

func foreignOnRedis(t *testing.T, s broker.Server) foreign {
	t.Helper()
	c, err := redisClient(s, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return &redisProducer{t, c}
}

func (*redisProducer) takes(int) {} // anything

func (p *redisProducer) event(attributes map[string]string, data []byte) {
	p.Helper()
	ce, err := json.Marshal(attributes)
	require.NoError(p, err)
	values := []any{"ce", ce}
	if data != nil {
		values = append(values, "data", data)
	}
	p.entry(values)
}

func (p *redisProducer) bare(data []byte) { p.entry([]any{"data", data}) }

func (p *redisProducer) entry(values any) {
	p.Helper()
	require.NoError(p, p.client.XAdd(p.Context(), &redis.XAddArgs{Stream: lossStream, Values: values}).Err())
}

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

func (p *redisProducer) poison(int) (texts []string) {
	p.Helper()
	for _, fields := range redisPoison {
		p.entry(fields)
		texts = append(texts, entryText(fields))
	}
	return texts
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
