package broker

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/seed-28af575d/eventbus/integration/fault"
)

// Options of a broker of a test's own.
type Options struct {
	// Image replaces the image. Zero means that of integration/images.
	Image string
	// Env are added to the container's environment. Zero means none.
	Env map[string]string
	// Args are added to the server's command line; only Redis's image has one. Zero means none.
	Args []string
}

// Broker is a broker of one test, with a proxy before it.
type Broker struct {
	*Node
	Server  // for clients that go straight to it
	proxied Server
	proxy   *fault.Proxy
}

// Start starts a broker that is the test's alone, with durable storage, and returns when
// it is ready. The test's end removes it.
func Start(t testing.TB, k Kind, o Options) *Broker {
	t.Helper()
	p := k.protocol()
	free, err := FreePorts(len(p.inside()) + 1)
	if err != nil {
		t.Fatal(err)
	}
	inside, proxy := free[1:], free[0]
	b := &Broker{Server: p.at(inside)}
	b.proxied = proxiedServer(p, inside, proxy)
	b.Node = Run(t, spec(p, inside, proxy, o))
	b.proxy = fault.NewProxy(t, fault.Options{
		Listen: local(proxy), Upstream: local(inside[p.proxiedPort()]),
	})
	return b
}

// Proxy is the fault proxy before the broker.
func (b *Broker) Proxy() *fault.Proxy { return b.proxy }

// Proxied is the server for clients that go through the proxy.
func (b *Broker) Proxied() Server { return b.proxied }

func proxiedServer(p protocol, inside []int, proxy int) Server {
	ports := append([]int{proxy}, inside[1:]...)
	return p.at(ports)
}

func spec(p protocol, inside []int, proxy int, o Options) Spec {
	s := p.settings(inside, proxy)
	s.Name, s.Image = p.name(), p.image()
	if o.Image != "" {
		s.Image = o.Image
	}
	s.Env = maps.Clone(s.Env)
	if s.Env == nil {
		s.Env = map[string]string{}
	}
	maps.Copy(s.Env, o.Env)
	s.Cmd = append(s.Cmd, o.Args...)
	s.Ports = map[string]int{}
	for i, port := range p.inside() {
		s.Ports[port] = inside[i]
	}
	server := p.at(inside)
	s.Ready = func(ctx context.Context) error { return p.ready(ctx, server) }
	return s
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
