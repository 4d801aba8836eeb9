package process

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// outcome is a testing.TB that keeps what a test is told, and fails no other.
type outcome struct {
	testing.TB
	said     []string
	cleanups []func()
}

func (o *outcome) Helper()           {}
func (o *outcome) Failed() bool      { return len(o.said) > 0 }
func (o *outcome) Cleanup(f func())  { o.cleanups = append(o.cleanups, f) }
func (o *outcome) Fatal(args ...any) { o.Fatalf("%s", fmt.Sprint(args...)) }
func (o *outcome) Error(args ...any) { o.said = append(o.said, fmt.Sprint(args...)) }
func (o *outcome) Logf(format string, args ...any) {
	o.said = append(o.said, fmt.Sprintf(format, args...))
}

func (o *outcome) Fatalf(format string, args ...any) {
	o.Logf(format, args...)
	panic(o)
}

// outcomeOf runs a test that ends, its cleanups too, and returns what it was told.
func outcomeOf(t *testing.T, test func(testing.TB)) string {
	t.Helper()
	o := &outcome{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != o {
				panic(r)
			}
		}()
		test(o)
	}()
	for _, f := range o.cleanups {
		f()
	}
	return strings.Join(o.said, "\n")
}

func TestAWorkerThatEndsBeforeItIsReadyIsReported(t *testing.T) {
	said := outcomeOf(t, func(t testing.TB) { Start(t, Spec{Role: "panic"}).Ready() })
	require.Contains(t, said, "ended before it was ready: role panic")
	require.Contains(t, said, "exit status 2")
	require.Contains(t, said, "panic: out of oranges")

	said = outcomeOf(t, func(t testing.TB) { Start(t, Spec{Role: "fail"}).Ready() })
	require.Contains(t, said, "no oranges left")
}

func TestPatienceEnds(t *testing.T) {
	said := outcomeOf(t, func(t testing.TB) { Start(t, Spec{Role: "late", Patience: time.Millisecond}).Ready() })
	require.Contains(t, said, "after 1ms not ready: role late")

	said = outcomeOf(t, func(t testing.TB) {
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
	require.Contains(t, outcomeOf(t, fails), "printed:\ngood bye, Eve")
	require.Empty(t, outcomeOf(t, func(t testing.TB) { Start(t, Spec{Role: "late"}) }), "of a test that passes nothing is logged")
}

func TestTheEndOfATestKillsItsWorkers(t *testing.T) {
	var w *Worker
	outcomeOf(t, func(t testing.TB) {
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
	said := outcomeOf(t, func(t testing.TB) { Start(t, Spec{Role: "late"}) })
	require.Contains(t, said, "call process.Work first in TestMain")
}
