package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/fault"
	"github.com/seed-28af575d/eventbus/integration/process"
)

// TestABrokerKeepsItsPortAndWhatItHasConfirmed: after each way to go down and come back.
func TestABrokerKeepsItsPortAndWhatItHasConfirmed(t *testing.T) {
	each(t, func(t *testing.T, k broker.Kind) {
		t.Parallel()
		b := broker.Start(t, k, broker.Options{})
		n := 0
		for _, way := range []struct {
			name     string
			down, up func()
		}{
			{"stop", b.Stop, b.Start},
			{"kill", b.Kill, b.Start},
			{"restart", func() {}, b.Restart},
			{"kill while paused", func() { b.Pause(); b.Kill() }, b.Start},
		} {
			began := time.Now()
			require.NoError(t, open(t, b.Server, "depot").put(t.Context(), way.name))
			n++
			way.down()
			if way.name != "restart" {
				_, err := net.Dial("tcp", b.Addr)
				require.Error(t, err, way.name)
			}
			way.up()
			holds(t, open(t, b.Server, "depot"), n)
			t.Logf("%s: %.1f s", way.name, time.Since(began).Seconds())
		}
	})
}

func TestAPausedBrokerKeepsItsConnectionsAndAnswersLater(t *testing.T) {
	each(t, func(t *testing.T, k broker.Kind) {
		t.Parallel()
		b := broker.Start(t, k, broker.Options{})
		d := open(t, b.Server, "depot")
		require.NoError(t, d.put(t.Context(), "before"))
		b.Pause()
		done := make(chan error, 1)
		go func() { done <- d.put(t.Context(), "in between") }()
		select {
		case err := <-done:
			t.Fatal("a paused broker has answered: ", err)
		case <-time.After(500 * time.Millisecond):
		}
		b.Unpause()
		require.NoError(t, <-done)
		holds(t, d, 2)
	})
}

func TestEachFaultOfTheProxyBeforeEachBroker(t *testing.T) {
	each(t, func(t *testing.T, k broker.Kind) {
		t.Parallel()
		b := broker.Start(t, k, broker.Options{})
		straight := open(t, b.Server, "depot")
		proxied := func() depot { return open(t, b.Proxied(), "depot") }
		require.NotEqual(t, b.Addr, b.Proxied().Addr)

		d := proxied()
		require.NoError(t, d.put(t.Context(), "through the proxy"))
		holds(t, straight, 1)

		raw, err := net.Dial("tcp", b.Proxied().Addr)
		require.NoError(t, err)
		defer raw.Close()
		require.Eventually(t, func() bool { // connected is not yet accepted
			b.Proxy().Reset()
			require.NoError(t, raw.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
			_, err := raw.Read(make([]byte, 1))
			return errors.Is(err, syscall.ECONNRESET)
		}, 10*time.Second, time.Millisecond)
		require.NoError(t, proxied().put(t.Context(), "after the reset"))

		b.Proxy().Cut()
		_, err = tryOpen(t, b.Proxied(), "depot")
		require.Error(t, err)
		require.NoError(t, straight.put(t.Context(), "the others go on"))
		b.Proxy().Heal()

		d = proxied()
		b.Proxy().Delay(100*time.Millisecond, 0)
		began := time.Now()
		require.NoError(t, d.put(t.Context(), "late"))
		require.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond)
		b.Proxy().Heal()

		b.Proxy().Throttle(10_000)
		began = time.Now()
		require.NoError(t, d.put(within(t, 20*time.Second), string(make([]byte, 10_000))))
		require.GreaterOrEqual(t, time.Since(began), 900*time.Millisecond)
		b.Proxy().Heal()

		b.Proxy().Freeze()
		require.Error(t, d.put(within(t, 300*time.Millisecond), "nobody listens"))
		b.Proxy().Heal()

		d, before := proxied(), settled(t, straight)
		swallowed := b.Proxy().SwallowReply("swallow this", fault.ThenCut)
		require.Error(t, d.put(within(t, 5*time.Second), "swallow this"))
		<-swallowed
		holds(t, straight, before+1)
	})
}

// settled is what the depot holds once what was held back has arrived.
func settled(t *testing.T, d depot) int {
	t.Helper()
	last := -1
	require.Eventually(t, func() bool {
		n, err := d.count(t.Context())
		require.NoError(t, err)
		same := n == last
		last = n
		return same
	}, 20*time.Second, 200*time.Millisecond)
	return last
}

// forget starts a broker in a process that is killed before it can remove it.
func forget(ctx context.Context, args process.Args) error {
	t := &orphan{ctx: ctx}
	b := broker.Start(t, broker.Redis, broker.Options{})
	if err := os.WriteFile(args["file"], []byte(b.Addr), 0o600); err != nil {
		return err
	}
	process.Ready(ctx)
	<-ctx.Done()
	return nil
}

// orphan is a test that has no time to clean up.
type orphan struct {
	testing.TB
	ctx context.Context
}

func (o *orphan) Helper()                   {}
func (o *orphan) Context() context.Context  { return o.ctx }
func (o *orphan) Cleanup(func())            {}
func (o *orphan) Fatal(args ...any)         { panic(args) }
func (o *orphan) Fatalf(f string, a ...any) { panic(append([]any{f}, a...)) }

// TestTheContainersOfAKilledProcessAreRemoved: also while another one goes on that was
// started by the same process, as the test binaries of one go test are.
func TestTheContainersOfAKilledProcessAreRemoved(t *testing.T) {
	broker.NeedDocker(t)
	killed, killedBroker := forgetful(t)
	_, goesOnBroker := forgetful(t)
	killed.Kill()
	require.NoError(t, killedBroker.SetDeadline(time.Now().Add(time.Minute)))
	_, err := killedBroker.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the server has ended")
	_, err = fmt.Fprint(goesOnBroker, "PING\r\n")
	require.NoError(t, err)
	answer := make([]byte, 7)
	_, err = io.ReadFull(goesOnBroker, answer)
	require.NoError(t, err, "the other's goes on")
	require.Equal(t, "+PONG\r\n", string(answer))
}

// forgetful is a process with a broker that it will not remove, and a connection to it.
func forgetful(t *testing.T) (*process.Worker, net.Conn) {
	t.Helper()
	file := t.TempDir() + "/addr"
	w := process.Start(t, process.Spec{Role: "forget", Args: process.Args{"file": file}})
	w.Ready()
	addr, err := os.ReadFile(file)
	require.NoError(t, err)
	c, err := net.Dial("tcp", string(addr))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return w, c
}
