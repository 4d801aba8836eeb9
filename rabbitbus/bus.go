package rabbitbus

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Bus is an [eventbus.EventBus], an [eventbus.Inspector], an [eventbus.Admin] and a
// [dlq.Holder]. All methods may be called concurrently.
type Bus struct {
	*engine.Bus
	transport *transport
}

var (
	_ eventbus.EventBus  = (*Bus)(nil)
	_ eventbus.Inspector = (*Bus)(nil)
	_ eventbus.Admin     = (*Bus)(nil)
	_ dlq.Holder         = (*Bus)(nil)
)

// New makes a bus, or says everything that is wrong with the options; every fault is an
// [eventbus.ValidationError]. It does no I/O: the server is connected to by the first Publish or
// Subscribe, or by Start.
func New(o Options) (*Bus, error) {
	o = o.withDefaults()
	if err := errors.Join(o.Options.WithDefaults().Validate(), o.validate()); err != nil {
		return nil, fmt.Errorf("eventbus: options: %w", err)
	}
	at, err := o.target()
	if err != nil {
		return nil, fmt.Errorf("eventbus: options: %w", err)
	}
	t := newTransport(at, o)
	bus, err := engine.New(engine.Backend{
		Transport: t,
		Traits:    engine.Traits{Keep: kept},
		Letters:   t.letters,
		Ledger:    ledger{t},
	}, o.Options)
	if err != nil {
		return nil, err
	}
	return &Bus{bus, t}, nil
}

// Health says what is wrong; see [eventbus.Inspector]. That the server takes nothing for now is
// wrong too.
func (b *Bus) Health(ctx context.Context) error {
	err := b.Bus.Health(ctx)
	if blocked := b.transport.publishing.taking(); blocked != nil {
		return errors.Join(err, fmt.Errorf("eventbus: health: %w", blocked))
	}
	return err
}

// Unroutable is how many events were published since the bus was made that no queue wanted.
func (b *Bus) Unroutable() uint64 { return b.transport.unroutable.Load() }

// Capabilities are what this backend can and cannot do.
func Capabilities() eventbus.Capabilities {
	return eventbus.Capabilities{
		Durable:            true,
		LostByPowerFailure: "of one machine of a cluster, nothing that was published; of the only one or most at once, dead letters of the last moments",
	}
}
