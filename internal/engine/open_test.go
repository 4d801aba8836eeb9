package engine

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// opened is a transport that looks at its backend first.
type opened struct {
	*fake
	err error
}

func (o *opened) Open(context.Context) error { return o.err }

func TestStartFailsWithWhatTheTransportFindsAndMayBeCalledAgain(t *testing.T) {
	backend := &opened{newFake(t), errBoom}
	bus, err := New(Backend{Transport: backend, Letters: dlq.NewMemoryStore(dlq.MemoryOptions{})}, eventbus.Options{})
	require.NoError(t, err)
	require.ErrorIs(t, bus.Start(t.Context()), errBoom)
	backend.err = nil
	require.NoError(t, bus.Start(t.Context()), "it was not started before")
	require.NoError(t, bus.Shutdown(t.Context()))
	backend.err = errBoom
	require.ErrorIs(t, bus.Start(t.Context()), eventbus.ErrClosed, "a closed bus looks at nothing")
}
