package broker

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
)

// Spec says what runs in a container.
type Spec struct {
	// Name is how messages call it: "Redis", "Kafka node 2". It has no default.
	Name string
	// Image is an image that the engine has or can pull. It has no default.
	Image string
	// Ports are those of 127.0.0.1 at which ports of the container are found, as "6379/tcp".
	Ports map[string]int
	// Env and Cmd are those of the image's contract. Zero means the image's own.
	Env map[string]string
	Cmd []string
	// Files are put into the container before it starts.
	Files []File
	// Network is one that the container joins, under the host name Host. Zero means the
	// engine's own, without names.
	Network, Host string
	// IP is the address on the network, one of Network.IP. Zero means one that the engine
	// chooses, and may choose anew at each start.
	IP string
	// Ready returns nil once what runs there does its work. It is asked again and again.
	// Zero means that it need not be waited for.
	Ready func(ctx context.Context) error
	// Patience is how long Ready may take. Zero means 90 s.
	Patience time.Duration
}

// File is a file in a container.
type File struct {
	Path, Content string
	Mode          int64
}

// options are what testcontainers-go is told.
func (s Spec) options() []testcontainers.ContainerCustomizer {
	bindings := network.PortMap{}
	for inside, port := range s.Ports {
		bindings[network.MustParsePort(inside)] = []network.PortBinding{{
			HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(port),
		}}
	}
	options := []testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts(slices.Sorted(maps.Keys(s.Ports))...),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) { h.PortBindings = bindings }),
		testcontainers.WithEnv(s.Env),
		testcontainers.WithConfigModifier(func(c *container.Config) { c.Hostname = s.Host }),
	}
	if len(s.Cmd) > 0 {
		options = append(options, testcontainers.WithCmd(s.Cmd...))
	}
	for _, f := range s.Files {
		options = append(options, testcontainers.WithFiles(testcontainers.ContainerFile{
			Reader: strings.NewReader(f.Content), ContainerFilePath: f.Path, FileMode: f.Mode,
		}))
	}
	if s.Network != "" {
		options = append(options, testcontainers.CustomizeRequestOption(func(r *testcontainers.GenericContainerRequest) error {
			r.Networks = []string{s.Network}
			r.NetworkAliases = map[string][]string{s.Network: {s.Host}}
			return nil
		}))
	}
	if s.IP != "" {
		options = append(options, testcontainers.WithEndpointSettingsModifier(func(e map[string]*network.EndpointSettings) {
			if e[s.Network] == nil { // there is no such network, which the engine says better
				e[s.Network] = &network.EndpointSettings{}
			}
			e[s.Network].IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: netip.MustParseAddr(s.IP)}
		}))
	}
	return options
}
