package fault_test

import (
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/fault"
)

func TestWithoutFaultsEverythingPasses(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	c.echo("hello\n")
	require.Equal(t, 1, p.Open())

	large := strings.Repeat("x", 3<<20) + "\n"
	go c.Write([]byte(large)) // more than proxy and kernel hold, so it must be read meanwhile
	c.hear(large)

	require.NoError(t, c.CloseWrite())
	require.NoError(t, c.lost(), "a close that is passed on, and no reset")
	none(t, p, s)
}

func TestTheBrokersResetIsTheClients(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	p := fault.NewProxy(t, fault.Options{Upstream: ln.Addr().String()})
	c := connect(t, p)
	broker, err := ln.Accept()
	require.NoError(t, err)
	require.NoError(t, broker.(*net.TCPConn).SetLinger(0))
	require.NoError(t, broker.Close())
	require.ErrorIs(t, c.lost(), syscall.ECONNRESET)
}

func TestWithoutABrokerAClientIsReset(t *testing.T) {
	p := fault.NewProxy(t, fault.Options{Upstream: "127.0.0.1:1"})
	c, err := net.DialTimeout("tcp", p.Addr(), patience)
	if err == nil { // the reset may be there before the client knows that it is connected
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestCutClosesAndRefusesUntilHeal(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	addr := p.Addr()
	for range 100 {
		c := connect(t, p)
		c.echo("hello\n")
		p.Cut()
		require.Zero(t, p.Open())
		require.NoError(t, c.lost())
		refused(t, p)
		p.Cut()
		refused(t, p)
		p.Heal()
		p.Heal()
	}
	require.Equal(t, addr, p.Addr())
	connect(t, p).echo("again\n")
}

// A port that is free is given to outgoing connections, one of which may be to the
// proxy: then it is connected to itself.
func TestACutPortIsNotGivenAway(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the port is held on Linux only")
	}
	p := fault.NewProxy(t, fault.Options{Upstream: "127.0.0.1:1"})
	p.Cut()
	from, err := net.ResolveTCPAddr("tcp", p.Addr())
	require.NoError(t, err)
	c, err := (&net.Dialer{LocalAddr: from}).DialContext(t.Context(), "tcp", p.Addr())
	if err == nil {
		c.Close()
	}
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

func TestNothingIsOpenAfterACutUnderLoad(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() { talk(p, stop) })
	}
	for range 300 {
		p.Cut()
		require.Zero(t, p.Open())
		p.Heal()
		exchange(p, 1)
	}
	close(stop)
	load.Wait()
}

func TestResetIsFeltOnceByEveryConnection(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	var clients []*client
	for range 20 {
		c := connect(t, p)
		c.echo("hello\n")
		clients = append(clients, c)
	}
	p.Reset()
	require.Zero(t, p.Open())
	for _, c := range clients {
		require.ErrorIs(t, c.lost(), syscall.ECONNRESET)
		require.ErrorIs(t, <-s.ends, syscall.ECONNRESET)
	}
	connect(t, p).echo("again\n")
}

func TestCloseEndsEverythingAndMayBeCalledAgain(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	c.echo("hello\n")
	p.Freeze()
	p.Close()
	require.NoError(t, c.lost())
	none(t, p, s)
	p.Heal() // heals nothing that is closed
	refused(t, p)
	p.Close()
}

func TestCloseLeavesNoGoroutineBehind(t *testing.T) {
	s := serve(t)
	stacks := make([]byte, 1<<20)
	for range 200 {
		p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
		connect(t, p).echo("hello\n")
		p.Close()
		for line := range strings.Lines(string(stacks[:runtime.Stack(stacks, true)])) {
			if !strings.HasPrefix(line, "created by") {
				require.NotContains(t, line, "integration/fault.(")
			}
		}
	}
}

func TestConcurrentFaultsAndLoad(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	stop := make(chan struct{})
	var all, load sync.WaitGroup
	for range 8 {
		load.Go(func() { talk(p, stop) })
	}
	harm := []func(){
		p.Cut, p.Heal, p.Reset, p.Heal, p.Freeze, p.Heal,
		func() { p.Delay(time.Millisecond, time.Millisecond) },
		func() { p.Throttle(1 << 20) },
		func() { p.SwallowReply("hello", fault.ThenCut) },
		func() { p.SwallowReply("hello", fault.ThenSilence) },
		p.Heal,
	}
	for range 3 {
		all.Go(func() {
			for range 100 {
				for _, f := range harm {
					f()
				}
				exchange(p, 1) // whoever harms heals before it waits, so that all go on
			}
		})
	}
	all.Wait()
	p.Heal()
	connect(t, p).echo("healed\n")
	close(stop)
	p.Cut() // whoever hears nothing hears that
	load.Wait()
	require.Greater(t, s.lines.Load(), int64(100), "there was load")
	none(t, p, s)
}

// talk connects again and again, and says and hears what is too large for one read.
func talk(p *fault.Proxy, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			exchange(p, 10)
		}
	}
}

func exchange(p *fault.Proxy, times int) {
	c, err := net.DialTimeout("tcp", p.Addr(), patience)
	if err != nil {
		return
	}
	defer c.Close()
	line := []byte("hello" + strings.Repeat(".", 50_000) + "\n")
	for range times {
		if _, err = c.Write(line); err == nil {
			_, err = io.ReadFull(c, make([]byte, len(line)))
		}
		if err != nil {
			return
		}
	}
}
