package kafkabus

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/letterline"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// letterTwins are a store in memory, in which no time passes, and one in Kafka.
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

func encoded(t testing.TB, l *dlq.Letter) []byte {
	b, err := letterline.Encode(l)
	require.NoError(t, err)
	return b
}
