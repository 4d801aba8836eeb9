package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

var (
	// errLetterSealed means that the generation has ended: what was written to it may never
	// be read, and is to be written to the next one.
	errLetterSealed = errors.New("the generation of the letters has ended")
	// errLetterLate means that the record was stored in that generation all the same.
	errLetterLate = errors.New("the record was stored as it ended")
	// errLetterGone means that the stream is not there (any more).
	errLetterGone = errors.New("the stream of the letters is gone")
	// errLetterUnbound means that the exchange of the generation is there, and its stream is not.
	errLetterUnbound = errors.New("the stream of the letters is not bound to its exchange")
	// errLetterSilent means that the stream has no record at the place to read on from.
	errLetterSilent = errors.New("the stream of the letters has no record at the place to read from")
	// errLetterLocked means that another caller has the queue.
	errLetterLocked = errors.New("held by another caller")
	// errLetterStop ends a reading.
	errLetterStop = errors.New("enough")
	// errLetterUnsettled means that letters kept moving while they were read, or are gone.
	errLetterUnsettled = errors.New("the letters moved while they were read, again and again: try later, or, if somebody has deleted their stream, go on: the next letter makes a new one")
)

// replied reports whether the broker has ended the channel with that code.
func replied(err error, code int) bool {
	var said *amqp.Error
	return errors.As(err, &said) && said.Code == code && said.Server
}

// missing reports whether there is none of that name. What stands on a node that is down is not
// missing, though the broker says so with the same code.
func missing(err error) bool {
	return replied(err, amqp.NotFound) && !strings.Contains(err.Error(), "down or inaccessible")
}

// failed says what was being done. The error matches the context's if that has ended.
func (s *letterStore) failed(ctx context.Context, doing string, err error) error {
	if wrong, ok := err.(*eventbus.ValidationError); ok && wrong.Field == "cursor" { //nolint:errorlint // one of ours, that nobody has wrapped
		return wrong
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	return fmt.Errorf("rabbitbus: %s: %w", doing, err)
}

// letterName shows an ID in an error: quoted if it is none that this package makes.
func letterName(id string) string {
	const plain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
	if id == "" || len(id) > 64 || strings.Trim(id, plain) != "" {
		return "letter " + excerpt.Of(id)
	}
	return "letter " + id
}
