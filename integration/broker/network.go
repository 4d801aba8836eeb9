package broker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcnetwork "github.com/testcontainers/testcontainers-go/network"
)

// firstHost is the number of Network.IP(0) in the subnet: the engine takes those before it
// for the gateway and for containers that ask for none.
const firstHost = 100

// Network is a network of one test's containers, in which each can have an address that it
// keeps over stop, kill and start. It is a value.
type Network struct {
	Name   string
	subnet netip.Prefix
}

// NewNetwork makes a network. It is removed at the test's end, after the containers that
// were started later.
func NewNetwork(t testing.TB) Network {
	t.Helper()
	needDocker(t)
	made, subnet, err := newNetwork(t.Context())
	if err != nil {
		t.Fatal("broker: no network: ", err)
	}
	t.Cleanup(func() {
		if err := made.Remove(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("broker: network %s is not removed: %v", made.Name, err)
		}
	})
	return Network{made.Name, subnet}
}

// IP is the i-th address for containers, counted from 0.
func (n Network) IP(i int) string {
	ip := n.subnet.Masked().Addr()
	for range firstHost + i {
		ip = ip.Next()
	}
	return ip.String()
}

// newNetwork: the engine gives containers fixed addresses only where whoever made the
// network has chosen its subnet. It knows best which one is free, so it is asked to choose
// one, and then told the same. In between somebody else can take it.
func newNetwork(ctx context.Context) (*testcontainers.DockerNetwork, netip.Prefix, error) {
	e, err := engine()
	if err != nil {
		return nil, netip.Prefix{}, err
	}
	defer func() { _ = e.Close() }()
	var failures []error
	for range 5 {
		subnet, err := freeSubnet(ctx, e)
		if err == nil {
			ipam := &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}}
			var made *testcontainers.DockerNetwork
			if made, err = tcnetwork.New(ctx, tcnetwork.WithIPAM(ipam)); err == nil {
				return made, subnet, nil
			}
		}
		failures = append(failures, err)
	}
	return nil, netip.Prefix{}, errors.Join(failures...)
}

func freeSubnet(ctx context.Context, e *testcontainers.DockerClient) (subnet netip.Prefix, err error) {
	probe, err := tcnetwork.New(ctx)
	if err != nil {
		return subnet, err
	}
	defer func() { err = errors.Join(err, probe.Remove(context.WithoutCancel(ctx))) }()
	r, err := e.NetworkInspect(ctx, probe.ID, client.NetworkInspectOptions{})
	if err != nil {
		return subnet, err
	}
	for _, c := range r.Network.IPAM.Config {
		if c.Subnet.Addr().Is4() {
			return c.Subnet, nil
		}
	}
	return subnet, fmt.Errorf("the engine has chosen no IPv4 subnet for %s", probe.Name)
}
