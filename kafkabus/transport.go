package kafkabus

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// transport speaks with one cluster.
type transport struct {
	names   names
	options Options
	client  *client
	routes  routes
	homes   homes
	facts   *facts
	letters *letterStore
	ledger  *ledger

	mu      sync.Mutex
	members map[*member]bool
}

var (
	_ engine.Transport = (*transport)(nil)
	_ engine.Opener    = (*transport)(nil)
)

func newTransport(o Options) (*transport, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	t := &transport{names: names{o.Prefix}, options: o, client: c, routes: routes{client: c}, members: map[*member]bool{}}
	t.facts = newFacts(t)
	t.ledger = &ledger{transport: t, books: map[string]*book{}}
	t.letters = newLetterStore(c, letterOptions{logger: t.logger(), now: t.now, bounds: usualLetterBounds()})
	return t, nil
}

// now is the bus's time.
func (t *transport) now() time.Time {
	if t.options.Clock != nil {
		return t.options.Clock.Now()
	}
	return time.Now()
}

func (t *transport) logger() *slog.Logger {
	if t.options.Logger != nil {
		return t.options.Logger
	}
	return eventbus.Options{}.WithDefaults().Logger
}

// Close ends the connections.
func (t *transport) Close(ctx context.Context) error {
	err := t.letters.close(ctx)
	t.client.close()
	return err
}
