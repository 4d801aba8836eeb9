package oracle_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-28af575d/eventbus/integration/oracle"
)

func baseline(t *testing.T, w oracle.Watch) *oracle.Baseline {
	t.Helper()
	if w.Patience == 0 {
		w.Patience = time.Millisecond
	}
	b, err := oracle.TakeBaseline(t.Context(), w)
	require.NoError(t, err)
	return b
}

func left(t *testing.T, b *oracle.Baseline) oracle.Leftovers {
	t.Helper()
	l, err := b.Left(t.Context())
	require.NoError(t, err)
	return l
}

func TestNothingIsLeft(t *testing.T) {
	b := baseline(t, oracle.Watch{})
	l := left(t, b)
	require.Empty(t, l.Goroutines)
	require.Empty(t, l.Files)
	require.Zero(t, l.Connections)
}

// What is ending is waited for.
func TestPatience(t *testing.T) {
	b := baseline(t, oracle.Watch{Patience: time.Minute})
	f, err := os.Open(os.Args[0])
	require.NoError(t, err)
	time.AfterFunc(50*time.Millisecond, func() { f.Close() })
	l := left(t, b)
	require.Empty(t, l.Files)
	require.Less(t, l.Waited, time.Minute)
}

func TestSocketsAreFiles(t *testing.T) {
	b := baseline(t, oracle.Watch{})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.Len(t, left(t, b).Files, 1)
	require.Contains(t, left(t, b).Files[0], "socket:[")
	require.NoError(t, l.Close())
	require.Empty(t, left(t, b).Files)
}

// A file that was open already and is opened once more is left over once.
func TestOneFileTwice(t *testing.T) {
	first, err := os.Open(os.Args[0])
	require.NoError(t, err)
	defer first.Close()
	b := baseline(t, oracle.Watch{})
	second, err := os.Open(os.Args[0])
	require.NoError(t, err)
	defer second.Close()
	require.Equal(t, []string{os.Args[0]}, left(t, b).Files)
}

func TestConnectionsAreTheCallersToCount(t *testing.T) {
	open := 3
	var fails error
	b := baseline(t, oracle.Watch{Connections: func(context.Context) (int, error) { return open, fails }})
	open = 5
	require.Equal(t, 2, left(t, b).Connections)
	open = 1
	require.Zero(t, left(t, b).Connections)
	fails = errors.New("no answer")
	_, err := b.Left(t.Context())
	require.ErrorIs(t, err, fails)
	_, err = oracle.TakeBaseline(t.Context(), oracle.Watch{Connections: func(context.Context) (int, error) { return 0, fails }})
	require.EqualError(t, err, "oracle: take a baseline: count the connections: no answer")
}

func block(c chan struct{}) { <-c }

func TestGoroutinesMayBeAllowed(t *testing.T) {
	strict := baseline(t, oracle.Watch{})
	lenient := baseline(t, oracle.Watch{Allowed: []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/seed-28af575d/eventbus/integration/oracle_test.block"),
	}})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { block(stop); close(stopped) }()
	require.Contains(t, left(t, strict).Goroutines, "oracle_test.block")
	require.Empty(t, left(t, lenient).Goroutines)
	close(stop)
	<-stopped
	require.Empty(t, left(t, strict).Goroutines)
}

func TestTheEndOfTheContextEndsTheWait(t *testing.T) {
	open := 0
	b := baseline(t, oracle.Watch{Patience: time.Minute, Connections: func(context.Context) (int, error) { return open, nil }})
	open = 1
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Left(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// Several goroutines are several examples.
func TestEachGoroutineIsToldByItself(t *testing.T) {
	b := baseline(t, oracle.Watch{})
	stop := make(chan struct{})
	defer close(stop)
	for range 3 {
		go block(stop)
	}
	l := left(t, b)
	x := play(t, "a1 ok, a1 handled", oracle.Subscriber{})
	x.Left = &l
	r := oracle.Check(x.Evidence)
	require.Equal(t, "I6", broken(r))
	require.Equal(t, 3, r.Findings[0].Count)
	for _, stack := range r.Findings[0].Examples {
		require.Regexp(t, `^goroutine \d+ in state chan receive`, stack)
		require.Contains(t, stack, "baseline_test.go")
	}
}
