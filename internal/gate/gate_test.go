package gate_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/gate"
)

// While servers refuse, one tries in each pause, and everybody is told why; whoever is accepted opens
// the gate.
func TestTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate.Gate
		tries := 0
		reason := errors.New("no")
		for began := time.Now(); time.Since(began) < 30*time.Second; {
			if _, err := g.Enter(); err == nil {
				tries++
				g.Shut(reason)
			} else {
				require.Equal(t, reason, err)
			}
			<-time.After(10 * time.Millisecond)
		}
		require.LessOrEqual(t, tries, 20)
		require.GreaterOrEqual(t, tries, 19)
		g.Open()
		refused, err := g.Enter()
		require.NoError(t, err)
		require.False(t, refused)
		require.NoError(t, g.Reason())
	})
}
