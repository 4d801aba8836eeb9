package dlq

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFilterMatch(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := Letter{ID: "1", Subscriber: "mailer", Type: "order.created", Reason: Panic, LastFailure: now}
	for _, f := range []Filter{{}, {IDs: []string{"0", "1"}}, {Subscriber: "mailer"}, {Type: "order.*"}, {Reason: Panic}, {After: now}} {
		require.True(t, f.Match(l), "%+v", f)
	}
	for _, f := range []Filter{{IDs: []string{"0"}}, {Subscriber: "biller"}, {Type: "*.paid"}, {Reason: Timeout}, {Before: now}} {
		require.False(t, f.Match(l), "%+v", f)
	}
}
