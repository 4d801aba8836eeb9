package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// flush is how many entries go into one pipeline, and how many one read asks for.
const flush = 256

// redisRaw is go-redis in its best structure for one stream. Publishers hand their commands
// to one goroutine, which sends what has come while it was sending as one pipeline; a
// lone publisher sends himself. Each subscriber is one goroutine, that acknowledges what it
// has handled in one pipeline with its next read, and calls the handler in between.
type redisRaw struct {
	*redisSpace
	readers
	load    load.Load
	shape   shape
	key     string
	ids     []string
	head    [5]string // what stands between ID, subject, version and partition key
	queue   chan *commands
	flushed chan struct{}
	decode  func(ce string) (envelope, error)
	groups  int
	end     chan struct{}
}

// commands are those of one call.
type commands struct {
	adds []redis.Cmder
	done chan error
}

// raw is a load.LogMaker. Its decoder is a scanner made for what it writes itself: flat,
// strings, no escapes.
func (s shape) raw(ctx context.Context, l load.Load) (load.Log, error) {
	return s.startRaw(ctx, l, scanEnvelope)
}

// rawJSON is raw with the decoder of the standard library.
func (s shape) rawJSON(ctx context.Context, l load.Load) (load.Log, error) {
	return s.startRaw(ctx, l, unmarshalEnvelope)
}

func (s shape) startRaw(ctx context.Context, l load.Load, decode func(string) (envelope, error)) (load.Log, error) {
	space, err := newRedisSpace(ctx)
	if err != nil {
		return nil, err
	}
	r := &redisRaw{
		redisSpace: space, load: l, shape: s, key: space.stream(s.made.AggregateType), ids: eventIDs(), head: s.template(),
		queue: make(chan *commands, flush), flushed: make(chan struct{}), decode: decode, end: make(chan struct{}),
	}
	go r.flush()
	return r, nil
}

// template is the envelope without what differs between events.
func (s shape) template() [5]string {
	e := s.made
	schema := ""
	if e.SchemaVersion != 0 {
		schema = `"schemaversion":"` + strconv.Itoa(e.SchemaVersion) + `",`
	}
	return [5]string{
		`{"specversion":"1.0","id":"`,
		`","type":"` + e.Type + `","source":"` + e.Source + `","subject":"`,
		`","time":"` + e.Time.UTC().Format(time.RFC3339Nano) + `","datacontenttype":"` + e.ContentType +
			`","aggregatetype":"` + e.AggregateType + `","aggregateversion":"`,
		`",` + schema + `"partitionkey":"`,
		`"}`,
	}
}

// envelope writes that of event i.
func (r *redisRaw) envelope(i int) []byte {
	key := r.load.Keys[i%len(r.load.Keys)]
	h := &r.head
	ce := make([]byte, 0, len(h[0])+len(h[1])+len(h[2])+len(h[3])+len(h[4])+36+20+2*len(key))
	ce = append(append(ce, h[0]...), r.ids[i%distinctIDs]...)
	ce = append(append(ce, h[1]...), key...)
	ce = strconv.AppendInt(append(ce, h[2]...), int64(i), 10)
	ce = append(append(ce, h[3]...), key...)
	return append(ce, h[4]...)
}

func (r *redisRaw) Publish(sp load.Span) error {
	c := &commands{done: make(chan error, 1)}
	for i := sp.From; i < sp.To; i += sp.Step {
		c.adds = append(c.adds, redis.NewStringCmd(r.ctx, "xadd", r.key, "*", "ce", r.envelope(i), "data", r.shape.made.Data()))
		if len(c.adds) < r.load.Batch && i+sp.Step < sp.To {
			continue
		}
		if err := r.send(c); err != nil {
			return err
		}
		clear(c.adds)
		c.adds = c.adds[:0]
	}
	return nil
}

func (r *redisRaw) send(c *commands) error {
	if r.load.Publishers == 1 {
		return r.exec(c.adds)
	}
	r.queue <- c
	return <-c.done
}

func (r *redisRaw) exec(adds []redis.Cmder) error {
	if len(adds) == 1 {
		return r.client.Process(r.ctx, adds[0])
	}
	pipe := r.client.Pipeline()
	_ = pipe.BatchProcess(r.ctx, adds...)
	_, err := pipe.Exec(r.ctx)
	return err
}

// flush sends what waits, at most so many entries at once or those of one call.
func (r *redisRaw) flush() {
	defer close(r.flushed)
	var adds []redis.Cmder
	var waiting []*commands
	for c := range r.queue {
		adds, waiting = append(adds[:0], c.adds...), append(waiting[:0], c)
		for len(adds) < flush {
			select {
			case c, ok := <-r.queue:
				if ok {
					adds, waiting = append(adds, c.adds...), append(waiting, c)
					continue
				}
			default:
			}
			break
		}
		err := r.exec(adds)
		for _, c := range waiting {
			c.done <- err
		}
	}
}

func (r *redisRaw) Subscribe(handle func(i int)) error {
	r.groups++
	group := fmt.Sprint("group-", r.groups)
	if err := r.client.XGroupCreateMkStream(r.ctx, r.key, group, "0").Err(); err != nil {
		return err
	}
	r.run(func() error { return r.read(group, handle) })
	return nil
}

func (r *redisRaw) read(group string, handle func(i int)) error {
	var done []string
	args := &redis.XReadGroupArgs{Group: group, Consumer: "c", Streams: []string{r.key, ">"}, Count: flush, Block: 100 * time.Millisecond}
	for {
		pipe := r.client.Pipeline()
		if len(done) > 0 {
			pipe.XAck(r.ctx, r.key, group, done...)
			done = done[:0]
		}
		reply := pipe.XReadGroup(r.ctx, args)
		if _, err := pipe.Exec(r.ctx); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		for _, stream := range reply.Val() {
			for _, m := range stream.Messages {
				if err := r.handle(m, handle); err != nil {
					return err
				}
				done = append(done, m.ID)
			}
		}
		select {
		case <-r.end:
			return nil
		default:
		}
	}
}

func (r *redisRaw) handle(m redis.XMessage, handle func(i int)) error {
	ce, _ := m.Values["ce"].(string)
	e, err := r.decode(ce)
	if err != nil {
		return fmt.Errorf("entry %s: %w", m.ID, err)
	}
	if data, _ := m.Values["data"].(string); len(data) != len(r.shape.made.Data()) || e.Type != r.shape.made.Type {
		return fmt.Errorf("entry %s is not what was published: %+v", m.ID, e)
	}
	handle(e.version)
	return nil
}

func (r *redisRaw) Stored() (int, error) { return r.stored(r.key) }

func (r *redisRaw) Stop() error {
	close(r.queue)
	<-r.flushed
	close(r.end)
	return errors.Join(r.wait(), r.close())
}

// envelope is what a subscriber must know of an event.
type envelope struct {
	SpecVersion, ID, Type, Source, Subject, Time string
	DataContentType, AggregateType, PartitionKey string
	AggregateVersion, SchemaVersion              string
	at                                           time.Time
	version                                      int
}

func (e envelope) complete() (envelope, error) {
	var err, notNumber error
	e.at, err = time.Parse(time.RFC3339Nano, e.Time)
	e.version, notNumber = strconv.Atoi(e.AggregateVersion)
	return e, errors.Join(err, notNumber)
}

// scanEnvelope cuts the strings out, and copies nothing.
func scanEnvelope(ce string) (e envelope, err error) {
	rest, ok := strings.CutPrefix(ce, "{")
	for ok && rest != "}" {
		var name, value string
		rest = strings.TrimPrefix(rest, ",")
		if rest, ok = strings.CutPrefix(rest, `"`); !ok {
			break
		}
		if name, rest, ok = strings.Cut(rest, `":"`); !ok {
			break
		}
		if value, rest, ok = strings.Cut(rest, `"`); !ok || strings.IndexByte(value, '\\') >= 0 {
			ok = false
			break
		}
		e.set(name, value)
	}
	if !ok {
		return e, fmt.Errorf("not one flat object of strings: %s", ce)
	}
	return e.complete()
}

func (e *envelope) set(name, value string) {
	switch name {
	case "specversion":
		e.SpecVersion = value
	case "id":
		e.ID = value
	case "type":
		e.Type = value
	case "source":
		e.Source = value
	case "subject":
		e.Subject = value
	case "time":
		e.Time = value
	case "datacontenttype":
		e.DataContentType = value
	case "aggregatetype":
		e.AggregateType = value
	case "aggregateversion":
		e.AggregateVersion = value
	case "schemaversion":
		e.SchemaVersion = value
	case "partitionkey":
		e.PartitionKey = value
	}
}

func unmarshalEnvelope(ce string) (e envelope, err error) {
	if err := json.Unmarshal([]byte(ce), &e); err != nil {
		return e, err
	}
	return e.complete()
}
