package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/internal/outcome"
)

func TestAWorkerThatEndsBeforeItIsReadyIsReported(t *testing.T) {
	said := outcome.Of(t, func(t testing.TB) { Start(t, Spec{Role: "panic"}).Ready() })
	require.Contains(t, said, "ended before it was ready: role panic")
	require.Contains(t, said, "exit status 2")
	require.Contains(t, said, "panic: out of oranges")

	said = outcome.Of(t, func(t testing.TB) { Start(t, Spec{Role: "fail"}).Ready() })
	require.Contains(t, said, "no oranges left")
}

func TestPatienceEnds(t *testing.T) {
	said := outcome.Of(t, func(t testing.TB) { Start(t, Spec{Role: "late", Patience: time.Millisecond}).Ready() })
	require.Contains(t, said, "after 1ms not ready: role late")

	said = outcome.Of(t, func(t testing.TB) {
		w := Start(t, Spec{Role: "deaf", Patience: time.Second})
		w.Ready()
		require.NoError(t, w.Stop())
	})
	require.Contains(t, said, "after 1s it still runs: role deaf")
}

func TestTheOutputOfAWorkerIsLoggedWhenTheTestFails(t *testing.T) {
	fails := func(t testing.TB) {
		w := Start(t, Spec{Role: "obey", Args: Args{"name": "Eve"}})
		require.Error(t, w.Stop())
		t.Error("it fails")
	}
	require.Contains(t, outcome.Of(t, fails), "printed:\ngood bye, Eve")
	require.Empty(t, outcome.Of(t, func(t testing.TB) { Start(t, Spec{Role: "late"}) }), "of a test that passes nothing is logged")
}

func TestTheEndOfATestKillsItsWorkers(t *testing.T) {
	var w *Worker
	outcome.Of(t, func(t testing.TB) {
		w = Start(t, Spec{Role: "deaf"})
		w.Ready()
	})
	select {
	case <-w.Done():
	default:
		require.Fail(t, "it is not done")
	}
	require.ErrorContains(t, w.Wait(), "signal: killed")
}

func TestAWorkerWithoutWorkStartsNoWorkers(t *testing.T) {
	t.Setenv(envRole, "late")
	said := outcome.Of(t, func(t testing.TB) { Start(t, Spec{Role: "late"}) })
	require.Contains(t, said, "call process.Work first in TestMain")
}
