package broker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What only tests of this package call from outside.
var (
	NeedDocker = needDocker
	FreePorts  = freePorts
)

// Names lists what stands on the server under the prefix.
func Names(t *testing.T, s Space) []string {
	names, err := s.Kind.protocol().names(t.Context(), s.Server, s.Prefix)
	require.NoError(t, err)
	return names
}

// ContainerID is the engine's name of the container.
func (n *Node) ContainerID() string { return n.box.id() }

// For is the node of another test.
func (n *Node) For(t testing.TB) *Node { return &Node{t, n.box} }

// Image is that of the kind.
func Image(k Kind) string { return k.protocol().image() }
