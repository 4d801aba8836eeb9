package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/seed-28af575d/eventbus"
)

// newPrefix begins the names of what one round has on a server.
func newPrefix() string { return "bench-" + strings.ToLower(rand.Text()[:10]) }

// logBus is a bus on a server, with as many subscribers as are wanted.
type logBus struct {
	*busSide
	shape shape
	names int
}

func (b *logBus) Subscribe(handle func(i int)) error {
	b.names++
	_, err := b.bus.Subscribe(b.ctx, eventbus.Subscriber{
		Name:        fmt.Sprint("subscriber-", b.names),
		Events:      []string{b.shape.made.Type},
		Concurrency: b.load.Running,
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			handle(int(e.AggregateVersion))
			return nil
		}),
	})
	return err
}
