package demo

import (
	"errors"

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
	return openErasable("RabbitMQ", options.Prefix, func() (erasable, error) { return rabbitbus.New(options) })
}
