package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// kafkaFranz is franz-go, tuned: no linger, no compression; else with its defaults, so its
// producer is idempotent. Each subscriber is a group of one client, whose offsets are committed
// by the clock, up to the last poll but one.
type kafkaFranz struct {
	*kafkaSpace
	readers
	load    load.Load
	shape   shape
	ids     [][]byte
	keys    [][]byte
	headers []kgo.RecordHeader
	out     *kgo.Client
	groups  int
	end     context.CancelFunc
	life    context.Context
}

func (s shape) kafkaFranz(ctx context.Context, l load.Load) (load.Log, error) {
	space, err := newKafkaSpace(ctx, s)
	if err != nil {
		return nil, err
	}
	f := &kafkaFranz{kafkaSpace: space, load: l, shape: s, ids: texts(eventIDs()), keys: texts(l.Keys)}
	for _, h := range s.kafkaHeaders() {
		f.headers = append(f.headers, kgo.RecordHeader(h))
	}
	f.life, f.end = context.WithCancel(ctx)
	f.out, err = kgo.NewClient(
		kgo.SeedBrokers(space.brokers...), kgo.DefaultProduceTopic(space.topic),
		kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		return nil, errors.Join(err, space.close())
	}
	return f, nil
}

func (f *kafkaFranz) record(i int) *kgo.Record {
	id, key := f.ids[i%distinctIDs], f.keys[i%len(f.keys)]
	return &kgo.Record{Key: key, Value: f.shape.made.Data(), Headers: franzHeaders(f.headers, id, key, i)}
}

func (f *kafkaFranz) Publish(sp load.Span) error {
	batch := make([]*kgo.Record, 0, f.load.Batch)
	for i := sp.From; i < sp.To; i += sp.Step {
		if batch = append(batch, f.record(i)); len(batch) < f.load.Batch && i+sp.Step < sp.To {
			continue
		}
		if err := f.out.ProduceSync(f.ctx, batch...).FirstErr(); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return nil
}

func (f *kafkaFranz) Subscribe(handle func(i int)) error {
	f.groups++
	in, err := kgo.NewClient(
		kgo.SeedBrokers(f.brokers...), kgo.ConsumeTopics(f.topic), kgo.ConsumerGroup(fmt.Sprint(f.prefix, ".group-", f.groups)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitInterval(kafkaCommits),
	)
	if err != nil {
		return err
	}
	f.run(func() error {
		defer in.Close()
		return f.read(in, handle)
	})
	return nil
}

func (f *kafkaFranz) read(in *kgo.Client, handle func(i int)) error {
	for f.life.Err() == nil {
		got := in.PollFetches(f.life)
		if err := got.Err(); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		for it := got.RecordIter(); !it.Done(); {
			r := it.Next()
			var e envelope
			for i := range r.Headers {
				e.attribute(r.Headers[i].Key, r.Headers[i].Value)
			}
			e, err := e.recorded(f.shape, r.Value)
			if err != nil {
				return err
			}
			handle(e.version)
		}
	}
	return nil
}

func (f *kafkaFranz) Stop() error {
	f.end()
	f.out.Close()
	return errors.Join(f.wait(), f.close())
}
