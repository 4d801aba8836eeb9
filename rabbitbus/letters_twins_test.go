package rabbitbus

import (
	"errors"
	"testing"

	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// letterTwins are a store in memory, in which no time passes, and one in RabbitMQ.
type letterTwins struct {
	*lettertwins.Twins
	t   testing.TB
	got *letterStore
}

func newLetterTwins(t testing.TB, b *testBroker) *letterTwins {
	w := &letterTwins{t: t, got: b.store()}
	w.Twins = lettertwins.New(t, w.got)
	return w
}

// goOn goes on with another store of the same letters.
func (w *letterTwins) goOn(next *letterStore) { w.got, w.Got = next, next }

func isError(err, target error) bool { return errors.Is(err, target) }
