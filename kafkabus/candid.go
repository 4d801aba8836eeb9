package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// candid is a Transport that says why it knows of no broker, and by which nobody notices that an authentication
// ends.
type candid struct {
	*kafka.Transport
	secure *secure
}

// RoundTrip is that of the Transport.
func (c candid) RoundTrip(ctx context.Context, addr net.Addr, request kafka.Request) (kafka.Response, error) {
	answer, err := c.Transport.RoundTrip(ctx, addr, request)
	for errors.Is(err, errSessionEnds) && repeatable(request) && ctx.Err() == nil { // over another connection each time
		answer, err = c.Transport.RoundTrip(ctx, addr, request)
	}
	if errors.Is(err, kafka.BrokerNotAvailable) {
		if reason := c.secure.gate.Reason(); reason != nil {
			return nil, fmt.Errorf("%w: %w", errNotSent, reason)
		}
		if failed := c.secure.failed.Load(); failed != nil {
			return nil, &awayError{*failed, err}
		}
	}
	return answer, err
}

// awayError says why there is no broker, in place of kafka-go, whose error it is.
type awayError struct{ why, said error }

func (e *awayError) Error() string { return e.why.Error() }

func (e *awayError) Unwrap() error { return e.said }

// repeatable: the records of a request are read once.
func repeatable(request kafka.Request) bool {
	_, records := request.(*rawproduce.Request)
	return !records
}
