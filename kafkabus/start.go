package kafkabus

import (
	"context"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus"
)

// startOf returns the offset of each partition of a topic at which a group begins.
func (c *client) startOf(ctx context.Context, topic string, from eventbus.Start) ([]int64, error) {
	spans, err := c.spans(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(spans))
	for i, s := range spans {
		if out[i] = s.first; from.IsNow() {
			out[i] = s.last
		}
	}
	if from.Time().IsZero() {
		return out, nil
	}
	asked := make([]kafka.OffsetRequest, len(spans))
	for i := range asked {
		asked[i] = kafka.TimeOffsetOf(i, from.Time())
	}
	found, err := c.offsets(ctx, topic, asked)
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		out[p.Partition] = spans[p.Partition].last // nothing is as young
		for offset := range p.Offsets {
			if offset >= 0 {
				out[p.Partition] = offset
			}
		}
	}
	return out, nil
}
