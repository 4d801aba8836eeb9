package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// legalRabbit says what is wrong with the URL, without its password.
func legalRabbit(url string) error {
	_, err := rabbitbus.New(rabbitbus.Options{URL: url, Options: eventbus.Options{Group: "demo"}})
	if wrong := (*eventbus.ValidationError)(nil); errors.As(err, &wrong) {
		return errors.New(wrong.Rule)
	}
	return err
}

func openRabbit(url string, o eventbus.Options) (eventbus.EventBus, error) {
	options := rabbitbus.Options{Options: o, URL: url, Prefix: ownPrefix()}
	bus, err := rabbitbus.New(options)
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
		return nil, errors.Join(fmt.Errorf("the RabbitMQ of --bus %s: %w", what, err), bus.Shutdown(ctx))
	}
	remove := func(ctx context.Context) error { return eraseRabbit(ctx, options) }
	return &onServer{EventBus: bus, prefix: options.Prefix, remove: remove, close: func() error { return nil }}, nil
}

// eraseRabbit removes it over a bus of its own, since the other has ended.
func eraseRabbit(ctx context.Context, o rabbitbus.Options) error {
	bus, err := rabbitbus.New(o)
	if err != nil {
		return err
	}
	return errors.Join(bus.Erase(ctx), bus.Shutdown(ctx))
}
