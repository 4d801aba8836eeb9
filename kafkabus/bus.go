package kafkabus

import (
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
// [eventbus.ValidationError]. It does no I/O: the cluster is connected to by the first Publish or
// Subscribe, or by Start.
func New(o Options) (*Bus, error) {
	o = o.withDefaults()
	if err := errors.Join(o.Options.WithDefaults().Validate(), o.validate()); err != nil {
		return nil, fmt.Errorf("eventbus: options: %w", err)
	}
	t, err := newTransport(o)
	if err != nil {
		return nil, fmt.Errorf("eventbus: options: %w", err)
	}
	bus, err := engine.New(engine.Backend{
		Transport: t,
		Traits:    engine.Traits{Keep: kept, Span: mostSpan},
		Letters:   t.letters,
		Ledger:    t.ledger,
	}, o.Options)
	if err != nil {
		return nil, err
	}
	return &Bus{bus, t}, nil
}

// mostSpan is how many deliveries of a partition may be finished behind one that is not: so many bits have
// room beside the committed offset.
const mostSpan = 20_000

// Capabilities are what this backend can and cannot do.
func Capabilities() eventbus.Capabilities {
	return eventbus.Capabilities{
		Durable:              true,
		Retains:              true,
		OrderAcrossProcesses: true,
		LostByPowerFailure:   "of one broker of several, nothing; of the only one or all at once, what the brokers had not written to disk: seconds",
	}
}
