package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

// depot is a durable place on a broker, in the terms of its kind, reached by one client
// that tries everything once.
type depot interface {
	put(ctx context.Context, value string) error // nil: the broker has confirmed it
	count(ctx context.Context) (int, error)
}

// open makes the place of that name, or opens it.
func open(t *testing.T, s broker.Server, name string) depot {
	t.Helper()
	d, err := tryOpen(t, s, name)
	require.NoError(t, err, s.Kind)
	return d
}

func tryOpen(t *testing.T, s broker.Server, name string) (depot, error) {
	switch s.Kind {
	case broker.Redis:
		o, err := redis.ParseURL(s.URL)
		if err != nil {
			return nil, err
		}
		o.MaxRetries, o.ContextTimeoutEnabled = -1, true
		c := redis.NewClient(o)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		return redisDepot{c, name}, c.Ping(within(t, 5*time.Second)).Err()
	case broker.RabbitMQ:
		return openQueue(t, s, name)
	default:
		return openTopic(t, s, name)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

type redisDepot struct {
	c    *redis.Client
	name string
}

func (d redisDepot) put(ctx context.Context, value string) error {
	return d.c.XAdd(ctx, &redis.XAddArgs{Stream: d.name, Values: []string{"value", value}}).Err()
}

func (d redisDepot) count(ctx context.Context) (int, error) {
	n, err := d.c.XLen(ctx, d.name).Result()
	return int(n), err
}

type rabbitDepot struct {
	ch   *amqp.Channel
	name string
}

func openQueue(t *testing.T, s broker.Server, name string) (depot, error) {
	c, err := amqp.DialConfig(s.URL, amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.CloseDeadline(time.Now().Add(time.Second)) })
	ch, err := c.Channel()
	if err != nil {
		return nil, err
	}
	_, err = ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	return rabbitDepot{ch, name}, errors.Join(err, ch.Confirm(false))
}

func (d rabbitDepot) put(ctx context.Context, value string) error {
	c, err := d.ch.PublishWithDeferredConfirmWithContext(ctx, "", d.name, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(value)})
	if err != nil {
		return err
	}
	acked, err := c.WaitContext(ctx)
	if err == nil && !acked {
		err = errors.New("not confirmed")
	}
	return err
}

func (d rabbitDepot) count(context.Context) (int, error) {
	q, err := d.ch.QueueDeclarePassive(d.name, true, false, false, false, nil)
	return q.Messages, err
}

type kafkaDepot struct {
	c     *kafka.Client
	topic string
}

func openTopic(t *testing.T, s broker.Server, name string) (depot, error) {
	tr := &kafka.Transport{DialTimeout: 2 * time.Second}
	t.Cleanup(tr.CloseIdleConnections)
	d := kafkaDepot{&kafka.Client{Addr: kafka.TCP(strings.Split(s.URL, ",")...), Transport: tr, Timeout: 10 * time.Second}, name}
	r, err := d.c.CreateTopics(within(t, 10*time.Second), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: name, NumPartitions: 1, ReplicationFactor: 1},
	}})
	if err != nil {
		return nil, err
	}
	if err := r.Errors[name]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		return nil, err
	}
	for ctx := within(t, 10*time.Second); ; { // created is not yet known
		if _, err = d.count(ctx); err == nil || ctx.Err() != nil {
			return d, err
		}
	}
}

func (d kafkaDepot) put(ctx context.Context, value string) error {
	r, err := d.c.Produce(ctx, &kafka.ProduceRequest{
		Topic: d.topic, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte(value))}),
	})
	if err != nil {
		return err
	}
	return r.Error
}

func (d kafkaDepot) count(ctx context.Context) (int, error) {
	r, err := d.c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{d.topic: {kafka.LastOffsetOf(0)}}})
	if err != nil {
		return 0, err
	}
	if len(r.Topics[d.topic]) != 1 {
		return 0, fmt.Errorf("no topic %s", d.topic)
	}
	p := r.Topics[d.topic][0]
	return int(p.LastOffset), p.Error
}

// holds waits until the depot holds so many values: RabbitMQ counts a moment later than it
// confirms.
func holds(t *testing.T, d depot, n int) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		got, err := d.count(t.Context())
		assert.NoError(c, err)
		assert.Equal(c, n, got)
	}, 20*time.Second, 20*time.Millisecond)
}

// each runs the test once for each kind of broker.
func each(t *testing.T, test func(t *testing.T, k broker.Kind)) {
	for _, k := range broker.Kinds() {
		t.Run(k.String(), func(t *testing.T) { test(t, k) })
	}
}
