package rabbitbus

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Errors to match with errors.Is.
var (
	// ErrCredentials means that the server does not accept user and password, or the client's
	// certificate.
	ErrCredentials = errors.New("credentials not accepted")
	// ErrVHost means that there is no such virtual host, or that the user may not use it.
	ErrVHost = errors.New("virtual host not accessible")
	// ErrPermission means that the server's user may not do it: the text names the exchange or
	// queue, as the server does.
	ErrPermission = errors.New("not permitted")
	// ErrNotAMQP means that what is at the address does not answer as RabbitMQ does.
	ErrNotAMQP = errors.New("no RabbitMQ answers there")
	// ErrBlocked means that the server takes nothing at the moment, as it is short of memory or
	// disk. Events are handled all the same.
	ErrBlocked = errors.New("the server takes nothing for now")
	// ErrTopology means that an exchange or queue is there with other properties, or, with
	// Options.Passive, is not there. The text has what the server found and what was asked for.
	ErrTopology = errors.New("exchange or queue is not as it should be")
	// ErrUnroutable means that no queue wants the event, with Options.RequireRoute.
	ErrUnroutable = errors.New("no queue wants it")
	// ErrVanished means that the queue of a group was deleted while it was read. The bus has
	// made it again, and what waited in it is lost. It comes with Observer.Reconnected.
	ErrVanished = errors.New("the queue of a group was deleted: what waited in it is lost")
)

// typed makes an error of ours of what the server says, with its text.
func typed(err error) error {
	if ours := kind(err); ours != nil && !errors.Is(err, ours) {
		return fmt.Errorf("%w: %w", ours, err)
	}
	return err
}

func kind(err error) error {
	said := (*amqp.Error)(nil)
	if !errors.As(err, &said) {
		return nil
	}
	switch {
	case errors.Is(said, amqp.ErrCredentials), errors.Is(said, amqp.ErrSASL):
		return ErrCredentials
	case errors.Is(said, amqp.ErrVhost), said.Server && said.Code == amqp.NotAllowed && !strings.Contains(said.Reason, "limit"): // of connections, which may pass
		return ErrVHost
	case said.Server && said.Code == amqp.AccessRefused:
		return ErrPermission
	case said.Server && (said.Code == amqp.PreconditionFailed || said.Code == amqp.NotFound || said.Code == amqp.CommandInvalid):
		return ErrTopology
	}
	return nil
}

// code is the server's code, or 0 if it has said nothing.
func code(err error) int {
	said := (*amqp.Error)(nil)
	if errors.As(err, &said) && said.Server {
		return said.Code
	}
	return 0
}

// notSent is the outcome of messages that were not sent, for the reason given. What does not
// pass by itself is refused.
func notSent(err error) error {
	err = typed(err)
	for _, final := range []error{ErrPermission, ErrCredentials, ErrVHost, ErrTopology, ErrBlocked, eventbus.ErrTooLarge, eventbus.ErrClosed} {
		if errors.Is(err, final) {
			return fmt.Errorf("%w: %w", eventbus.ErrRefused, err)
		}
	}
	return fmt.Errorf("%w: %w", engine.ErrNotStored, err)
}

func unknown(err error) error { return fmt.Errorf("%w: %w", eventbus.ErrUnknown, typed(err)) }

func all(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}
