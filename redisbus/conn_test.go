package redisbus

import (
	"net"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestOnlyWhatIsNoGreetingCounts(t *testing.T) {
	for text, greeting := range map[string]bool{
		"*2\r\n$5\r\nhello\r\n$1\r\n3\r\n":    true,
		"*1\r\n$4\r\nping\r\n":                true,
		"*3\r\n$6\r\nclient\r\n$7\r\nsetinfo": true,
		"*5\r\n$4\r\nxadd\r\n$1\r\nx\r\n":     false,
		"*3\r\n$4\r\nsadd\r\n$5\r\nhello\r\n": false,
		"":                                    false,
		"hello\r\n":                           false,
		"*2\r\n$5\r\nhel":                     false,
		"*2":                                  false,
	} {
		require.Equal(t, greeting, greets([]byte(text)), "%q", text)
	}
}

func TestNothingIsWrittenToAServerThatGreetsNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	c := newClients(redis.NewClient(&redis.Options{Addr: l.Addr().String()}), 0)
	require.Error(t, c.commands.Set(t.Context(), "a", "b", 0).Err())
	require.Zero(t, c.traffic.writes.Load())
	require.NoError(t, c.close())

	c = newClients(redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()}), 0)
	require.NoError(t, c.commands.Set(t.Context(), "a", "b", 0).Err())
	require.NotZero(t, c.traffic.writes.Load())
	require.NoError(t, c.close())
}

func TestTheCallersLimiterStaysBehind(t *testing.T) {
	c := newClients(redis.NewClient(&redis.Options{Limiter: refusing{}}), 0)
	require.Nil(t, c.derive(c.traffic.count).Limiter)
	require.NoError(t, c.close())
}

type refusing struct{}

func (refusing) Allow() error       { return net.ErrClosed }
func (refusing) ReportResult(error) {}
