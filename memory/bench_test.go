package memory

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// The way of one event through the transport: Send, Receive and Ack, in one
// goroutine, so that nothing is hidden by a second processor.
func BenchmarkSendReceiveAck(b *testing.B) {
	for _, groups := range []int{1, 10, 100} {
		for _, batch := range []int{1, 100} {
			b.Run(fmt.Sprintf("groups=%d/batch=%d", groups, batch), func(b *testing.B) {
				in := newInstance(newBroker(b, BrokerOptions{}))
				var sources []engine.Source
				for i := range groups {
					sources = append(sources, join(b, in, fmt.Sprintf("bench.s%d", i), "order.*"))
				}
				ms := numbered(batch)
				receipts := make([]engine.Receipt, 0, batch)
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					if errs := in.Send(b.Context(), ms); errs != nil {
						b.Fatal(errs)
					}
					for _, s := range sources {
						ds, err := s.Receive(b.Context(), batch)
						if err != nil || len(ds) != batch {
							b.Fatal(len(ds), err)
						}
						receipts = receipts[:0]
						for i := range ds {
							receipts = append(receipts, ds[i].Receipt)
						}
						if err := s.Ack(b.Context(), receipts); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch*groups), "ns/delivery")
			})
		}
	}
}

// A publisher and a subscriber in goroutines of their own, with the publisher held
// up by the bound.
func BenchmarkPipe(b *testing.B) {
	for _, capacity := range []int{16, 1024, 65_536} {
		b.Run(fmt.Sprintf("capacity=%d", capacity), func(b *testing.B) {
			in := newInstance(newBroker(b, BrokerOptions{Capacity: capacity}))
			s := join(b, in, "bench.s", "#")
			ms := numbered(1)
			n := b.N
			done := make(chan int)
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				got := 0
				receipts := make([]engine.Receipt, 0, 256)
				for got < n {
					ds, err := s.Receive(b.Context(), 256)
					if err != nil {
						break
					}
					receipts = receipts[:0]
					for i := range ds {
						receipts = append(receipts, ds[i].Receipt)
					}
					if s.Ack(b.Context(), receipts) != nil {
						break
					}
					got += len(ds)
				}
				done <- got
			}()
			for range n {
				if errs := in.Send(b.Context(), ms); errs != nil {
					b.Fatal(errs)
				}
			}
			require.Equal(b, n, <-done)
		})
	}
}

// Events of types that never come again: their routes are worked out each time.
func BenchmarkUnknownTypes(b *testing.B) {
	in := newInstance(newBroker(b, BrokerOptions{}))
	for i := range 10 {
		join(b, in, fmt.Sprintf("bench.s%d", i), "#.paid")
	}
	var types []string
	for i := range knownTypes {
		types = append(types, fmt.Sprintf("order.t%d", i))
	}
	for _, name := range types {
		require.Nil(b, in.Send(b.Context(), []engine.Message{message(name, "o-1")}))
	}
	fresh := []engine.Message{message("order.never-seen", "o-1")}
	b.ReportAllocs()
	for b.Loop() {
		if errs := in.Send(b.Context(), fresh); errs != nil {
			b.Fatal(errs)
		}
	}
}

func numbered(n int) []engine.Message {
	ms := make([]engine.Message, n)
	for i := range ms {
		ms[i] = message("order.created", fmt.Sprintf("o-%d", i))
		ms[i].Event = &eventbus.DomainEvent{}
	}
	return ms
}
