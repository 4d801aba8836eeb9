package redisbus

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Bus is an [eventbus.EventBus], an [eventbus.Inspector], an [eventbus.Admin] and a
// [dlq.Holder]. All methods may be called concurrently.
type Bus struct{ *engine.Bus }

var (
	_ eventbus.EventBus  = (*Bus)(nil)
	_ eventbus.Inspector = (*Bus)(nil)
	_ eventbus.Admin     = (*Bus)(nil)
	_ dlq.Holder         = (*Bus)(nil)
)

// New makes a bus on the server of the client, or says everything that is wrong with the
// options; every fault is an [eventbus.ValidationError]. It does no I/O: the server is looked
// at by the first Subscribe, or by Start. The client stays the caller's, who closes it
// when he likes; the bus has connections of its own with the client's options.
func New(client redis.UniversalClient, o Options) (*Bus, error) {
	o = o.withDefaults()
	c, clientErr := single(client)
	if err := errors.Join(clientErr, o.Options.WithDefaults().Validate(), o.validate()); err != nil {
		return nil, fmt.Errorf("eventbus: options: %w", err)
	}
	t := newTransport(c, o)
	bus, err := engine.New(engine.Backend{
		Transport: t,
		Traits:    engine.Traits{Keep: o.Lease / 3},
		Letters:   newLetterStore(t.clients, o.Prefix),
		Ledger:    ledger{t},
	}, o.Options)
	if err != nil {
		return nil, err
	}
	return &Bus{bus}, nil
}

// Capabilities are what this backend can and cannot do.
func Capabilities() eventbus.Capabilities {
	return eventbus.Capabilities{
		Durable: true, Retains: true,
		LostByPowerFailure: "with appendfsync everysec, what was published in the last second or two; with appendfsync always, nothing",
	}
}

// now is the bus's time.
func (t *transport) now() time.Time {
	if t.options.Clock != nil {
		return t.options.Clock.Now()
	}
	return time.Now()
}
