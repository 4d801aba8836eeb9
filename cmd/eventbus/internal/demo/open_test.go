package demo

import (
	"net"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// A server that lets nobody in is not one that is not there.
func TestTheServerSaysWhatIsWrong(t *testing.T) {
	server := miniredis.RunT(t)
	server.RequireAuth("geheim")
	open, err := OpenURL("redis://:falsch@" + server.Addr())
	require.NoError(t, err)
	_, err = open(eventbus.Options{})
	require.ErrorContains(t, err, "the Redis of --bus refuses: WRONGPASS")
	require.NotContains(t, err.Error(), "falsch")
	server.Close()
	_, err = open(eventbus.Options{})
	require.ErrorContains(t, err, "does not answer; start it, or give another address")
}

func TestNoServerIsThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	open, err := OpenURL("amqp://shop:falsch@" + l.Addr().String())
	require.NoError(t, err)
	_, err = open(eventbus.Options{Group: "demo"})
	require.ErrorContains(t, err, "the RabbitMQ of --bus does not answer; start it, or give another address")
	require.NotContains(t, err.Error(), "falsch")
}
