package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

// BenchmarkInline is a Publish that runs handlers in its caller's goroutine.
func BenchmarkInline(b *testing.B) {
	for kind, handler := range map[string]func(calls *int) eventbus.Handler{
		"typed": func(calls *int) eventbus.Handler {
			return eventbus.On(func(context.Context, eventbus.Event[orderPlaced]) error { *calls++; return nil })
		},
		"plain": func(calls *int) eventbus.Handler {
			return eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error { *calls++; return nil })
		},
	} {
		for _, handlers := range []int{1, 10} {
			b.Run(fmt.Sprintf("%s/handlers=%d", kind, handlers), func(b *testing.B) {
				calls := 0
				bus := inlineBus(b, handlers, handler(&calls))
				e, ctx := eventbus.New("order-42", typical), b.Context()
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N { // b.Loop would keep the arguments on the heap
					if err := bus.Publish(ctx, e); err != nil {
						b.Fatal(err)
					}
				}
				if calls != b.N*handlers {
					b.Fatalf("%d handler calls for %d events", calls, b.N)
				}
			})
		}
	}
}

func inlineBus(b *testing.B, handlers int, h eventbus.Handler) *memory.Bus {
	b.Helper()
	bus, err := memory.New(memory.Options{Mode: memory.Inline})
	if err != nil {
		b.Fatal(err)
	}
	for i := range handlers {
		_, err := bus.Subscribe(b.Context(), eventbus.Subscriber{Name: fmt.Sprint("handler", i), Events: []string{"order.placed"}, Handler: h})
		if err != nil {
			b.Fatal(err)
		}
	}
	return bus
}
