package cluster_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/cluster"
	"github.com/seed-28af575d/eventbus/integration/internal/outcome"
)

// hurried is a test whose time is nearly up.
type hurried struct {
	testing.TB
	ctx context.Context
}

func (h hurried) Context() context.Context { return h.ctx }

func TestWhoeverWaitsInVainIsToldForWhomAndItsLastWords(t *testing.T) {
	long(t)
	nodes := []*broker.Node{broker.Start(t, broker.Redis, broker.Options{}).Node}
	asleep := func(context.Context, int) error { return errors.New("it sleeps") }
	for name, wait := range map[string]func(testing.TB){
		"await": func(t testing.TB) { cluster.Await(t, nodes, asleep) },
		"find":  func(t testing.TB) { cluster.Find(t, nodes, asleep) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		said := outcome.Of(t, func(t testing.TB) { wait(hurried{t, ctx}) })
		cancel()
		require.Contains(t, said, "Redis: it sleeps", name)
		require.Contains(t, said, "Ready to accept connections", name)
	}
}
