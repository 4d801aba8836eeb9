package bench

import (
	"context"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
	"github.com/seed-28af575d/eventbus/memory"
)

// orderPlaced is the payload of every event: about 256 bytes as JSON.
type orderPlaced struct {
	Customer string   `json:"customer"`
	Currency string   `json:"currency"`
	Items    []string `json:"items"`
	Total    int      `json:"total"`
	Note     string   `json:"note"`
}

func (orderPlaced) EventType() string { return "order.placed" }

var typical = orderPlaced{
	Customer: "customer-1234567",
	Currency: "EUR",
	Items:    []string{"article-1234567", "article-2345678", "article-3456789", "article-4567890"},
	Total:    123456,
	Note:     "Please leave it with the neighbour on the second floor when nobody answers the door.",
}

// memorySide publishes to what memory.New returns: through an interface the events of
// a call are allocated.
type memorySide struct {
	*busSide
	bus *memory.Bus
}

func (s *memorySide) Publish(sp load.Span) error {
	if s.load.Batch > 1 {
		return s.publishBatches(sp)
	}
	a := sp.From % len(s.load.Keys)
	for i := sp.From; i < sp.To; i += sp.Step {
		if err := s.bus.Publish(s.ctx, s.numbered(i, a)); err != nil {
			return err
		}
		if a += sp.Step; a >= len(s.load.Keys) {
			a -= len(s.load.Keys)
		}
	}
	return nil
}

// busSide is a bus with one subscriber under load.
type busSide struct {
	ctx  context.Context // what a service would publish under
	load load.Load
	bus  eventbus.EventBus
	made eventbus.DomainEvent
	ids  []string
}

// distinctIDs is how many IDs go round: no two events of a batch share one.
const distinctIDs = 1 << 10

// startMemory is a load.Maker: the bus in memory, as a user gets it, with a queue
// as long as that of the bare structure.
func startMemory(ctx context.Context, l load.Load, handle func(int)) (load.Side, error) {
	bus, err := memory.New(memory.Options{Capacity: l.Bound})
	if err != nil {
		return nil, err
	}
	s, err := startBus(ctx, bus, l, handle)
	return &memorySide{s, bus}, err
}

// startInterface is the same bus, held as an EventBus.
func startInterface(ctx context.Context, l load.Load, handle func(int)) (load.Side, error) {
	bus, err := memory.New(memory.Options{Capacity: l.Bound})
	if err != nil {
		return nil, err
	}
	return startBus(ctx, bus, l, handle)
}

func startBus(ctx context.Context, bus eventbus.EventBus, l load.Load, handle func(int)) (*busSide, error) {
	_, err := bus.Subscribe(ctx, eventbus.Subscriber{
		Name:        "bench",
		Events:      []string{"order.placed"},
		Concurrency: l.Running,
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			handle(int(e.AggregateVersion))
			return nil
		}),
	})
	if err != nil {
		return nil, err
	}
	s := &busSide{ctx: ctx, load: l, bus: bus, made: eventbus.New("", typical), ids: eventIDs()}
	return s, bus.Start(ctx)
}

func eventIDs() []string {
	ids := make([]string, distinctIDs)
	for i := range ids {
		ids[i] = eventbus.New("", typical).ID
	}
	return ids
}

// numbered is the event that was made before: what differs between events is
// filled in, nothing is encoded or generated.
func (s *busSide) numbered(i, aggregate int) eventbus.DomainEvent {
	e := s.made
	e.ID, e.AggregateID, e.AggregateVersion = s.ids[i%distinctIDs], s.load.Keys[aggregate], int64(i)
	return e
}

func (s *busSide) Publish(sp load.Span) error {
	if s.load.Batch > 1 {
		return s.publishBatches(sp)
	}
	a := sp.From % len(s.load.Keys)
	for i := sp.From; i < sp.To; i += sp.Step {
		if err := s.bus.Publish(s.ctx, s.numbered(i, a)); err != nil {
			return err
		}
		if a += sp.Step; a >= len(s.load.Keys) {
			a -= len(s.load.Keys)
		}
	}
	return nil
}

// publishBatches uses one slice for all batches: a bus that kept it would be
// found out by the tally.
func (s *busSide) publishBatches(sp load.Span) error {
	batch := make([]eventbus.DomainEvent, 0, s.load.Batch)
	for i := sp.From; i < sp.To; i += sp.Step {
		batch = append(batch, s.numbered(i, i%len(s.load.Keys)))
		if len(batch) == cap(batch) {
			if err := s.bus.Publish(s.ctx, batch...); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return s.bus.Publish(s.ctx, batch...)
}

func (s *busSide) Stop() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 10*time.Second)
	defer cancel()
	return s.bus.Shutdown(ctx)
}
