package memory

import (
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// New makes a bus with a broker of its own, or says everything that is wrong with
// the options; every fault is an [eventbus.ValidationError].
func New(o Options) (eventbus.EventBus, error) {
	if err := errors.Join(o.Options.WithDefaults().Validate(), o.broker().validate()); err != nil {
		return nil, optionsError(err)
	}
	b, err := NewBroker(o.broker())
	if err != nil {
		return nil, err
	}
	return b.Open(o.Options)
}

// Open makes one more bus on the broker. Shutting it down ends this bus alone, and
// its groups go on collecting.
func (b *Broker) Open(o eventbus.Options) (eventbus.EventBus, error) {
	return b.open(newInstance(b), o)
}

func (b *Broker) open(in *instance, o eventbus.Options) (eventbus.EventBus, error) {
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
		return nil, err // not bus, which as an interface would not be nil
	}
	return bus, nil
}

func optionsError(err error) error { return fmt.Errorf("eventbus: options: %w", err) }

// Capabilities are what this backend can and cannot do.
func Capabilities() eventbus.Capabilities {
	return eventbus.Capabilities{LostByPowerFailure: "everything"}
}
