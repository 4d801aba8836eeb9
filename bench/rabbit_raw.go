package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

const (
	// rabbitPrefetch is how many deliveries are under way, and rabbitAcks how many one ack covers.
	rabbitPrefetch, rabbitAcks = 2000, 256
	// rabbitChannels is how many channels publish: confirms come back together where few do.
	rabbitChannels = 4
)

// rabbitRaw is amqp091-go in its best structure: what publishers write collects while it is being
// sent; who publishes alone shares one channel, and batches have four, each waiting for its
// confirms together. Each subscriber is one goroutine, with one ack for many deliveries.
type rabbitRaw struct {
	*rabbitSpace
	readers
	load   load.Load
	shape  shape
	ids    []string
	out    *amqp.Connection
	in     *amqp.Connection
	lanes  []*amqp.Channel
	next   atomic.Uint32
	groups int
}

func (s shape) rabbitRaw(ctx context.Context, l load.Load) (load.Log, error) {
	space, err := newRabbitSpace(ctx)
	if err != nil {
		return nil, err
	}
	r := &rabbitRaw{rabbitSpace: space, load: l, shape: s, ids: eventIDs()}
	return r, r.start()
}

func (r *rabbitRaw) start() (err error) {
	dial := amqp.DefaultDial(10 * time.Second)
	r.out, err = amqp.DialConfig(r.url, amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		c, err := dial(network, addr)
		return newCollector(c), err
	}})
	if err != nil {
		return err
	}
	if r.in, err = amqp.Dial(r.url); err != nil {
		return err
	}
	n := 1
	if r.load.Batch > 1 {
		n = rabbitChannels
	}
	for range n {
		ch, err := r.out.Channel()
		if err != nil {
			return err
		}
		if err := ch.Confirm(false); err != nil {
			return err
		}
		r.lanes = append(r.lanes, ch)
	}
	if err := r.do(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(r.prefix, "topic", true, false, false, false, nil)
	}); err != nil {
		return err
	}
	return r.declare(1)
}

func (r *rabbitRaw) declare(subscriber int) error {
	return r.do(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(r.queue(subscriber), true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
		if err != nil {
			return err
		}
		return ch.QueueBind(r.queue(subscriber), r.shape.made.Type, r.prefix, false, nil)
	})
}

func (r *rabbitRaw) Publish(sp load.Span) error {
	ch := r.lanes[int(r.next.Add(1))%len(r.lanes)]
	waits := make([]*amqp.DeferredConfirmation, 0, r.load.Batch)
	for i := sp.From; i < sp.To; i += sp.Step {
		dc, err := ch.PublishWithDeferredConfirm(r.prefix, r.shape.made.Type, true, false, r.message(i))
		if err != nil {
			return err
		}
		if waits = append(waits, dc); len(waits) < r.load.Batch && i+sp.Step < sp.To {
			continue
		}
		for _, dc := range waits {
			if acked, err := dc.WaitContext(r.ctx); err != nil || !acked {
				return errors.Join(err, errors.New("not confirmed"))
			}
		}
		waits = waits[:0]
	}
	return nil
}

// message has what docs/wire-rabbitmq.md asks for.
func (r *rabbitRaw) message(i int) amqp.Publishing {
	e, key := &r.shape.made, r.load.Keys[i%len(r.load.Keys)]
	p := amqp.Publishing{
		DeliveryMode: amqp.Persistent, ContentType: e.ContentType, MessageId: r.ids[i%distinctIDs], Type: e.Type, Timestamp: e.Time,
		Body: e.Data(),
		Headers: amqp.Table{
			"cloudEvents_specversion": "1.0", "cloudEvents_id": r.ids[i%distinctIDs], "cloudEvents_type": e.Type,
			"cloudEvents_source": e.Source, "cloudEvents_subject": key, "cloudEvents_time": e.Time.UTC().Format(time.RFC3339Nano),
			"cloudEvents_aggregatetype": e.AggregateType, "cloudEvents_aggregateversion": strconv.Itoa(i), "cloudEvents_partitionkey": key,
		},
	}
	if e.SchemaVersion != 0 {
		p.Headers["cloudEvents_schemaversion"] = strconv.Itoa(e.SchemaVersion)
	}
	return p
}

func (r *rabbitRaw) Subscribe(handle func(i int)) error {
	r.groups++
	if err := r.declare(r.groups); err != nil {
		return err
	}
	ch, err := r.in.Channel()
	if err != nil {
		return err
	}
	if err := ch.Qos(rabbitPrefetch, 0, false); err != nil {
		return err
	}
	ds, err := ch.Consume(r.queue(r.groups), "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	r.run(func() error { return r.read(ch, ds, handle) })
	return nil
}

// read acknowledges what it has handled when there are many, and when nothing else is there.
func (r *rabbitRaw) read(ch *amqp.Channel, ds <-chan amqp.Delivery, handle func(i int)) error {
	owed := 0
	for d := range ds {
		version, err := r.version(&d)
		if err != nil {
			return err
		}
		handle(version)
		if owed++; owed < rabbitAcks && len(ds) > 0 {
			continue
		}
		if err := ch.Ack(d.DeliveryTag, true); err != nil {
			return err
		}
		owed = 0
	}
	return nil
}

// version decodes what a subscriber must know.
func (r *rabbitRaw) version(d *amqp.Delivery) (n int, err error) {
	e := envelope{DataContentType: d.ContentType}
	for name, value := range map[string]*string{
		"cloudEvents_specversion": &e.SpecVersion, "cloudEvents_id": &e.ID, "cloudEvents_type": &e.Type, "cloudEvents_source": &e.Source,
		"cloudEvents_subject": &e.Subject, "cloudEvents_time": &e.Time, "cloudEvents_aggregatetype": &e.AggregateType,
		"cloudEvents_aggregateversion": &e.AggregateVersion, "cloudEvents_partitionkey": &e.PartitionKey,
	} {
		text, ok := d.Headers[name].(string)
		if !ok {
			return 0, fmt.Errorf("message %s has no %s", d.MessageId, name)
		}
		*value = text
	}
	if e, err = e.complete(); err != nil || len(d.Body) != len(r.shape.made.Data()) || e.Type != r.shape.made.Type {
		return 0, fmt.Errorf("message %s is not what was published: %w", d.MessageId, err)
	}
	return e.version, nil
}

func (r *rabbitRaw) Stop() error {
	err := errors.Join(r.out.Close(), r.in.Close(), r.wait())
	return errors.Join(err, r.do(func(ch *amqp.Channel) error {
		for i := range max(r.groups, 1) {
			if _, err := ch.QueueDelete(r.queue(i+1), false, false, false); err != nil {
				return err
			}
		}
		return ch.ExchangeDelete(r.prefix, false, false)
	}), r.beside.Close())
}

// collector is a socket that sends together what was written while it was sending.
type collector struct {
	net.Conn
	mu     sync.Mutex
	buf    []byte
	failed error
	some   chan struct{}
	ended  chan struct{}
	once   sync.Once
}

func newCollector(c net.Conn) *collector {
	w := &collector{Conn: c, some: make(chan struct{}, 1), ended: make(chan struct{})}
	go w.send()
	return w
}

func (w *collector) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.buf = append(w.buf, p...)
	err := w.failed
	w.mu.Unlock()
	select {
	case w.some <- struct{}{}:
	default:
	}
	return len(p), err
}

func (w *collector) send() {
	var out []byte
	for {
		select {
		case <-w.some:
		case <-w.ended:
			return
		}
		w.mu.Lock()
		out, w.buf = w.buf, out[:0]
		w.mu.Unlock()
		if _, err := w.Conn.Write(out); err != nil {
			w.mu.Lock()
			w.failed = err
			w.mu.Unlock()
		}
	}
}

// Close sends what is left: the goodbye.
func (w *collector) Close() error {
	w.once.Do(func() { close(w.ended) })
	return w.Conn.Close()
}
