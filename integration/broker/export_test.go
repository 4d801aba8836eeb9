package broker

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// NeedDocker is called from outside by tests of this package alone.
var NeedDocker = needDocker

// Names lists what stands on the server under the prefix.
func Names(t *testing.T, s Space) []string {
	names, err := s.Kind.protocol().names(t.Context(), s.Server, s.Prefix)
	require.NoError(t, err)
	return names
}

// Sweep is the clean-up of the test's part.
func Sweep(ctx context.Context, s Space) error { return s.sweep(ctx) }

// ContainerID is the engine's name of the container.
func (n *Node) ContainerID() string { return n.box.id() }

// For is the node of another test.
func (n *Node) For(t testing.TB) *Node { return &Node{t, n.box} }
