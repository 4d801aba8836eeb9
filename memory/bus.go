package memory

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Bus is an [eventbus.EventBus], an [eventbus.Inspector], an [eventbus.Admin] and a
// [dlq.Holder]. All methods may be called concurrently. Held as what it is, and not
// as an EventBus, it spares the caller the allocation of the events of a call.
type Bus struct {
	bus
	engine *engine.Bus    // of the concurrent mode
	direct *engine.Direct // of the others
}

// bus is what every mode has.
type bus interface {
	eventbus.EventBus
	eventbus.Inspector
	eventbus.Admin
	dlq.Holder
	Clear(ctx context.Context) error
}

var (
	_ eventbus.EventBus  = (*Bus)(nil)
	_ eventbus.Inspector = (*Bus)(nil)
	_ eventbus.Admin     = (*Bus)(nil)
	_ dlq.Holder         = (*Bus)(nil)
)

// New makes a bus with a broker of its own, or says everything that is wrong with
// the options; every fault is an [eventbus.ValidationError].
func New(o Options) (*Bus, error) {
	if err := errors.Join(o.Options.WithDefaults().Validate(), o.broker().validate(), o.validateMode()); err != nil {
		return nil, optionsError(err)
	}
	if o.Mode != Concurrent {
		return newDirect(o)
	}
	b, err := NewBroker(o.broker())
	if err != nil {
		return nil, err
	}
	return b.Open(o.Options)
}

// Open makes one more bus on the broker. Shutting it down ends this bus alone, and
// its groups go on collecting.
func (b *Broker) Open(o eventbus.Options) (*Bus, error) {
	return b.open(newInstance(b), o)
}

func (b *Broker) open(in *instance, o eventbus.Options) (*Bus, error) {
	if o.Clock == nil {
		o.Clock = b.options.Clock
	}
	bus, err := engine.New(engine.Backend{
		Transport: in,
		Traits: engine.Traits{
			Reference: !b.options.Encode,
			Immediate: !b.options.Encode,
			Routed:    true,
		},
		Letters: b.letters,
		Ledger:  b.ledger,
	}, o)
	if err != nil {
		return nil, err
	}
	return &Bus{bus: bus, engine: bus}, nil
}

func optionsError(err error) error { return fmt.Errorf("eventbus: options: %w", err) }

// Capabilities are what this backend can and cannot do.
func Capabilities() eventbus.Capabilities {
	return eventbus.Capabilities{LostByPowerFailure: "everything"}
}

// Publish stores events, or handles them in the inline modes; see
// [eventbus.EventBus].
func (b *Bus) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	if b.direct != nil { // two calls of what is known: through an interface the events would be allocated
		return b.direct.Publish(ctx, events...)
	}
	return b.engine.Publish(ctx, events...)
}
