package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// redisWatermill is Watermill's redisstream, without its router. What can be tuned is: the
// envelope is written and read as that of redisRaw instead of as msgpack of a map, reads
// wait for a second, and housekeeping is rarer than a round is long. That it reads one
// message at a time, and acknowledges it before the next, cannot.
type redisWatermill struct {
	*redisRaw // writes and reads the envelopes
	publisher *redisstream.Publisher
	close     []func() error
}

// envelopes is a Marshaller whose messages carry their envelope as they are stored.
type envelopes struct{}

func (envelopes) Marshal(_ string, m *message.Message) (map[string]any, error) {
	return map[string]any{"ce": m.Metadata["ce"], "data": []byte(m.Payload)}, nil
}

func (envelopes) Unmarshal(values map[string]any) (*message.Message, error) {
	ce, _ := values["ce"].(string)
	data, _ := values["data"].(string)
	e, err := scanEnvelope(ce)
	if err != nil {
		return nil, err
	}
	m := message.NewMessage(e.ID, []byte(data))
	m.Metadata["ce"] = ce
	return m, nil
}

func (s shape) watermill(ctx context.Context, l load.Load) (load.Log, error) {
	log, err := s.raw(ctx, l)
	if err != nil {
		return nil, err
	}
	raw, _ := log.(*redisRaw)
	w := &redisWatermill{redisRaw: raw}
	client, err := w.own()
	if err == nil {
		w.publisher, err = redisstream.NewPublisher(redisstream.PublisherConfig{Client: client, Marshaller: envelopes{}}, nil)
	}
	if err != nil {
		return nil, errors.Join(err, raw.Stop())
	}
	w.close = append(w.close, w.publisher.Close)
	return w, nil
}

// own is a client for one part, which closes it, with a connection for each publisher.
func (w *redisWatermill) own() (redis.UniversalClient, error) {
	o, err := redisOptions()
	if err != nil {
		return nil, err
	}
	o.PoolSize = max(20, w.load.Publishers)
	return redis.NewClient(o), nil
}

func (w *redisWatermill) Publish(sp load.Span) error {
	batch := make([]*message.Message, 0, w.load.Batch)
	for i := sp.From; i < sp.To; i += sp.Step {
		m := message.NewMessage(w.ids[i%distinctIDs], w.shape.made.Data())
		m.Metadata["ce"] = string(w.envelope(i))
		batch = append(batch, m)
		if len(batch) < w.load.Batch && i+sp.Step < sp.To {
			continue
		}
		if err := w.publisher.Publish(w.key, batch...); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return nil
}

func (w *redisWatermill) Subscribe(handle func(i int)) error {
	client, err := w.own()
	if err != nil {
		return err
	}
	w.groups++
	s, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{
		Client: client, Unmarshaller: envelopes{}, ConsumerGroup: fmt.Sprint("group-", w.groups), Consumer: "c",
		BlockTime: time.Second, ClaimInterval: time.Minute, DisableIndefiniteInitialBlock: true,
	}, nil)
	if err != nil {
		return err
	}
	messages, err := s.Subscribe(w.ctx, w.key)
	if err != nil {
		return err
	}
	w.close = append(w.close, s.Close)
	w.run(func() error {
		for m := range messages {
			e, err := scanEnvelope(m.Metadata["ce"])
			if err != nil {
				return err
			}
			handle(e.version)
			m.Ack()
		}
		return nil
	})
	return nil
}

func (w *redisWatermill) Stop() error {
	var errs []error
	for _, end := range w.close {
		errs = append(errs, end())
	}
	return errors.Join(append(errs, w.redisRaw.Stop())...)
}
