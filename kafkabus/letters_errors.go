package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

var (
	// errLettersMissing means that the topic is not there, so that there are no letters.
	errLettersMissing = errors.New("the topic of the letters is not there")
	// errLetterMoved means that a letter is no longer where it was.
	errLetterMoved = errors.New("the letter is not where it was")
	// errLettersUnsettled means that letters kept moving while they were read, or are gone.
	errLettersUnsettled = errors.New("the letters moved while they were read, again and again: try later")
)

// failed says what was being done. The error matches the context's if that has ended.
func (s *letterStore) failed(ctx context.Context, doing string, err error) error {
	if wrong, ok := err.(*eventbus.ValidationError); ok && wrong.Field == "cursor" { //nolint:errorlint // one of ours, that nobody has wrapped
		return wrong
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	return fmt.Errorf("kafkabus: %s: %w", doing, typed(err))
}

func letterName(id string) string { return "letter " + excerpt.Of(id) }

// absent reports whether the client or the broker knows of no such topic, as far as they are told.
func absent(err error) bool {
	return errors.Is(err, protocol.ErrNoTopic) || code(err) == kafka.UnknownTopicOrPartition
}

// passing reports whether what changes nothing and has failed may succeed a little later.
func passing(err error) bool {
	switch said := code(err); said {
	case 0:
		return !errors.Is(err, ErrTopic) && !rejected(err) && !errors.Is(err, errLettersMissing)
	case kafka.BrokerNotAvailable: // which the client says where it reaches none
		return true
	default:
		return said.Temporary()
	}
}

// patiently does again what changes nothing, or the same, until it succeeds, for a while.
func (s *letterStore) patiently(ctx context.Context, do func() error) error {
	for began := time.Now(); ; {
		if err := do(); err == nil || !passing(err) || !s.soon(ctx, began) {
			return err
		}
	}
}
