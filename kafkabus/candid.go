package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/seed-28af575d/eventbus/internal/gate"
)

// candid is a Transport that says why it knows of no broker, if it was refused by those that it asked, and
// by which nobody notices that an authentication ends.
type candid struct {
	*kafka.Transport
	gate *gate.Gate
}

// RoundTrip is that of the Transport.
func (c candid) RoundTrip(ctx context.Context, addr net.Addr, request kafka.Request) (kafka.Response, error) {
	answer, err := c.Transport.RoundTrip(ctx, addr, request)
	for errors.Is(err, errSessionEnds) && repeatable(request) && ctx.Err() == nil { // over another connection each time
		answer, err = c.Transport.RoundTrip(ctx, addr, request)
	}
	if errors.Is(err, kafka.BrokerNotAvailable) {
		if reason := c.gate.Reason(); reason != nil {
			return nil, fmt.Errorf("%w: %w", errNotSent, reason)
		}
	}
	return answer, err
}

// repeatable: the records of a request are read once.
func repeatable(request kafka.Request) bool {
	_, records := request.(*produce.Request)
	return !records
}
