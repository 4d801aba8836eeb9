package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// Where Watermill keeps what an event has fields for.
const (
	watermillTopic = "order"
	aggregateID    = "aggregate_id"
	version        = "aggregate_version"
)

// watermillSide is the gochannel of Watermill with one subscriber under load.
type watermillSide struct {
	load  load.Load
	ch    *gochannel.GoChannel
	made  eventbus.DomainEvent
	ids   []string
	ended chan error // what ended the subscriber, nil when the channel was closed
}

// startWatermill is a load.Maker: the only mode that bounds what waits. It has one
// message under way, whatever the number of subscribers and of messages in a call,
// so that Load.Running and Load.Bound mean nothing to it; nor would a buffer.
func startWatermill(ctx context.Context, l load.Load, handle func(int)) (load.Side, error) {
	return startGoChannel(ctx, gochannel.Config{BlockPublishUntilSubscriberAck: true}, l, handle)
}

// startUnbounded is its default: two goroutines for every message that waits, and
// whichever comes first is handled first. It fails every tally that looks at order.
func startUnbounded(ctx context.Context, l load.Load, handle func(int)) (load.Side, error) {
	return startGoChannel(ctx, gochannel.Config{}, l, handle)
}

// startGoChannel subscribes without Watermill's router, which would cost more.
func startGoChannel(ctx context.Context, c gochannel.Config, l load.Load, handle func(int)) (load.Side, error) {
	s := &watermillSide{
		load:  l,
		ch:    gochannel.NewGoChannel(c, nil),
		made:  eventbus.New("", typical),
		ids:   eventIDs(),
		ended: make(chan error, 1),
	}
	messages, err := s.ch.Subscribe(ctx, watermillTopic)
	if err != nil {
		return nil, err
	}
	go func() { s.ended <- consume(messages, handle) }()
	return s, nil
}

// consume handles the messages until the channel is closed. One without a version
// ends it: the round gives up because nothing is handled.
func consume(messages <-chan *message.Message, handle func(int)) error {
	for m := range messages {
		i, err := strconv.Atoi(m.Metadata.Get(version))
		if err != nil {
			return fmt.Errorf("message %s: %w", m.UUID, err)
		}
		handle(i)
		m.Ack()
	}
	return nil
}

// message is the event as Watermill carries it: the same bytes, and what else the
// event tells as metadata.
func (s *watermillSide) message() *message.Message {
	m := message.NewMessage("", s.made.Data())
	m.Metadata.Set("type", s.made.Type)
	m.Metadata.Set("aggregate_type", s.made.AggregateType)
	m.Metadata.Set("schema_version", strconv.Itoa(s.made.SchemaVersion))
	m.Metadata.Set("time", s.made.Time.Format(time.RFC3339Nano))
	m.Metadata.Set("content_type", s.made.ContentType)
	return m
}

// Publish fills in what differs between messages that were made before, as the other
// sides do: gochannel sends copies, which are made before Publish returns.
func (s *watermillSide) Publish(sp load.Span) error {
	batch := make([]*message.Message, s.load.Batch)
	for n := range batch {
		batch[n] = s.message()
	}
	n := 0
	for i := sp.From; i < sp.To; i += sp.Step {
		batch[n].UUID = s.ids[i%distinctIDs]
		batch[n].Metadata.Set(aggregateID, s.load.Keys[i%len(s.load.Keys)])
		batch[n].Metadata.Set(version, strconv.Itoa(i))
		if n++; n < len(batch) {
			continue
		}
		if err := s.ch.Publish(watermillTopic, batch...); err != nil {
			return err
		}
		n = 0
	}
	return s.ch.Publish(watermillTopic, batch[:n]...)
}

func (s *watermillSide) Stop() error {
	if err := s.ch.Close(); err != nil {
		return err
	}
	return <-s.ended
}
