package redisbus

import (
	"bufio"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/gate"
)

// greeter is a server that answers each line of a connection with what it says just then.
type greeter struct {
	says  atomic.Pointer[string]
	dials atomic.Int32
}

func (g *greeter) say(what string) { g.says.Store(&what) }

func (g *greeter) dial(context.Context, string, string) (net.Conn, error) {
	g.dials.Add(1)
	near, far := net.Pipe()
	go func() {
		for lines := bufio.NewScanner(far); lines.Scan(); {
			if _, err := far.Write([]byte(*g.says.Load() + "\r\n")); err != nil {
				return
			}
		}
	}()
	return near, nil
}

// greet is what go-redis does with a new connection.
func greet(t *testing.T, dial dialer) (string, error) {
	c, err := dial(t.Context(), "", "")
	if err != nil {
		return "", err
	}
	defer func() { require.NoError(t, c.Close()) }()
	_, err = c.Write([]byte("hello\r\n"))
	require.NoError(t, err)
	answer := make([]byte, 100)
	n, err := c.Read(answer)
	require.NoError(t, err)
	return string(answer[:n]), nil
}

func TestAServerThatRefusesCredentialsIsNotBeset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server greeter
		server.say("+OK")
		var g gate.Gate
		dial := guard(&g, server.dial)
		_, err := greet(t, dial)
		require.NoError(t, err)
		server.say("-WRONGPASS no such user")
		_, err = greet(t, dial)
		require.NoError(t, err)
		server.dials.Store(0)

		const connections, seconds = 30, 30
		var all sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
		defer cancel()
		for range connections {
			all.Go(func() {
				for ctx.Err() == nil {
					if _, err := greet(t, dial); err != nil {
						require.ErrorIs(t, typed(err), ErrCredentials)
						require.ErrorContains(t, err, "no such user")
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		all.Wait()
		require.LessOrEqual(t, server.dials.Load(), int32(seconds))
		require.Greater(t, server.dials.Load(), int32(seconds/2))

		server.say("-LOADING for a while") // neither the one nor the other
		time.Sleep(2 * gate.Pause)
		_, err = greet(t, dial)
		require.NoError(t, err)
		server.say("+OK")
		for range connections {
			answer, err := greet(t, dial)
			require.NoError(t, err)
			require.Equal(t, "+OK\r\n", answer)
		}
	})
}

// go-redis dials now and then to see whether anybody listens, and asks nothing.
func TestAConnectionThatAsksNothingTakesNobodysTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server greeter
		server.say("-NOAUTH say who you are")
		var g gate.Gate
		dial := guard(&g, server.dial)
		_, err := greet(t, dial)
		require.NoError(t, err)
		time.Sleep(2 * gate.Pause)
		server.say("*0")
		c, err := dial(t.Context(), "", "")
		require.NoError(t, err)
		require.NoError(t, c.Close())
		_, err = greet(t, dial)
		require.NoError(t, err)
	})
}
