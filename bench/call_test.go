package bench

import (
	"context"
	"testing"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// silent is a publisher that does nothing with what it is given.
type silent struct{}

func (silent) Publish(context.Context, ...eventbus.DomainEvent) error { return nil }

// publisher hides which one it is from the compiler, as an EventBus does.
var publisher interface {
	Publish(ctx context.Context, events ...eventbus.DomainEvent) error
} = silent{}

// BenchmarkCall is what a call of Publish costs its caller before the bus has done
// anything: an event is copied to the heap for the variadic parameter.
func BenchmarkCall(b *testing.B) {
	keys := load.Aggregates(1000)
	made := eventbus.New("", typical)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := made
		e.AggregateID, e.AggregateVersion = keys[i%len(keys)], int64(i)
		if err := publisher.Publish(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
}
