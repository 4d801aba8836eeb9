package rabbitbus

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// letterEntry is what is kept in memory of a letter: enough to find it and to select it by
// everything but its text.
type letterEntry struct {
	letterline.Head
	stored int64
	born   letterPlace // where it was stored first: its place among the others
	place  letterPlace // where it stands
	size   int
	gone   bool
}

// newLetterEntry reads of the record of a letter what the entry needs.
func newLetterEntry(place letterPlace, d *amqp.Delivery) (*letterEntry, error) {
	head, err := letterline.HeadOf(d.Body)
	if err != nil {
		return nil, err
	}
	e := &letterEntry{Head: head, born: place, place: place, size: len(d.Body)}
	e.stored, _ = d.Headers[headerStored].(int64)
	if born, ok := d.Headers[headerBorn].(string); ok {
		if e.born, err = parseLetterPlace(born); err != nil {
			return nil, fmt.Errorf("its place %q is none: %w", born, err)
		}
	}
	return e, nil
}
