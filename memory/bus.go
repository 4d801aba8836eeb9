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
type Bus struct{ engine *engine.Bus }

var (
	_ eventbus.EventBus  = (*Bus)(nil)
	_ eventbus.Inspector = (*Bus)(nil)
	_ eventbus.Admin     = (*Bus)(nil)
	_ dlq.Holder         = (*Bus)(nil)
)

// New makes a bus with a broker of its own, or says everything that is wrong with
// the options; every fault is an [eventbus.ValidationError].
func New(o Options) (*Bus, error) {
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
	return &Bus{bus}, nil
}

func optionsError(err error) error { return fmt.Errorf("eventbus: options: %w", err) }

// Capabilities are what this backend can and cannot do.
func Capabilities() eventbus.Capabilities {
	return eventbus.Capabilities{LostByPowerFailure: "everything"}
}

// Publish stores events; see [eventbus.EventBus].
func (b *Bus) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	return b.engine.Publish(ctx, events...)
}

// Subscribe joins a subscriber; see [eventbus.EventBus].
func (b *Bus) Subscribe(ctx context.Context, s eventbus.Subscriber) (eventbus.Subscription, error) {
	return b.engine.Subscribe(ctx, s)
}

// Start lets handlers run; see [eventbus.EventBus].
func (b *Bus) Start(ctx context.Context) error { return b.engine.Start(ctx) }

// Shutdown ends the bus; see [eventbus.EventBus].
func (b *Bus) Shutdown(ctx context.Context) error { return b.engine.Shutdown(ctx) }

// Stats returns the counters; see [eventbus.Inspector].
func (b *Bus) Stats(ctx context.Context) (eventbus.Stats, error) { return b.engine.Stats(ctx) }

// Health says what is wrong; see [eventbus.Inspector].
func (b *Bus) Health(ctx context.Context) error { return b.engine.Health(ctx) }

// Groups lists the groups of the broker; see [eventbus.Admin].
func (b *Bus) Groups(ctx context.Context) ([]string, error) { return b.engine.Groups(ctx) }

// DeleteGroup removes a group of the broker; see [eventbus.Admin].
func (b *Bus) DeleteGroup(ctx context.Context, group string) error {
	return b.engine.DeleteGroup(ctx, group)
}

// DeadLetters returns the dead letters of the bus's groups.
func (b *Bus) DeadLetters() *dlq.Queue { return b.engine.DeadLetters() }
