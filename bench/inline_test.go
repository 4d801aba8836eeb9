package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

// BenchmarkInline is a Publish that runs typed handlers in the caller's goroutine.
func BenchmarkInline(b *testing.B) {
	for _, handlers := range []int{1, 10} {
		b.Run(fmt.Sprint("handlers=", handlers), func(b *testing.B) {
			bus, err := memory.New(memory.Options{Mode: memory.Inline})
			if err != nil {
				b.Fatal(err)
			}
			calls := 0
			for i := range handlers {
				_, err := bus.Subscribe(b.Context(), eventbus.Subscriber{
					Name: fmt.Sprint("handler", i),
					Handler: eventbus.On(func(_ context.Context, e eventbus.Event[orderPlaced]) error {
						calls++
						return nil
					}),
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			if err := bus.Start(b.Context()); err != nil {
				b.Fatal(err)
			}
			e := eventbus.New("order-42", typical)
			n := 0
			ctx := b.Context()
			b.ReportAllocs()
			for range b.N { // b.Loop would keep the arguments on the heap
				n++
				if err := bus.Publish(ctx, e); err != nil {
					b.Fatal(err)
				}
			}
			if calls != n*handlers {
				b.Fatalf("%d handler calls for %d events", calls, n)
			}
		})
	}
}
