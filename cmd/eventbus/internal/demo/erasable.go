package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
)

// erasable is a bus that can remove all that buses of its prefix have on the server.
type erasable interface {
	eventbus.EventBus
	eventbus.Admin
	Erase(ctx context.Context) error
}

// openErasable makes a bus on a server that answers. It removes what it has there over a bus of its own, since
// the other has ended then.
func openErasable(server, prefix string, open func() (erasable, error)) (eventbus.EventBus, error) {
	bus, err := open()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	if _, err := bus.Groups(ctx); err != nil {
		what := "does not answer; start it, or give another address"
		if lasting(err) {
			what = "refuses"
		}
		return nil, errors.Join(fmt.Errorf("the %s of --bus %s: %w", server, what, err), bus.Shutdown(ctx))
	}
	remove := func(ctx context.Context) error {
		bus, err := open()
		if err != nil {
			return err
		}
		return errors.Join(bus.Erase(ctx), bus.Shutdown(ctx))
	}
	return &onServer{EventBus: bus, prefix: prefix, remove: remove, close: func() error { return nil }}, nil
}
