package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// elsewhere says that the engine runs on another machine, on whose 127.0.0.1 ports would be.
func elsewhere(dockerHost string) error {
	u, err := url.Parse(dockerHost)
	if err != nil {
		return fmt.Errorf("broker: DOCKER_HOST: %w", err)
	}
	if u.Scheme == "" || u.Scheme == "unix" || u.Scheme == "npipe" {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("broker: the Docker engine at %s is on another machine: the tests look for their brokers at 127.0.0.1; use an engine here, or name brokers that run already", u.Host)
}

var errNoEngine = errors.New("broker: no Docker engine answers")

// engine returns a client of the Docker engine, one for the process.
var engine = sync.OnceValues(func() (*testcontainers.DockerClient, error) {
	// Tests dial 127.0.0.1, where the ports are. Inside a container testcontainers-go would
	// look for them, and for its reaper's, at the gateway.
	if err := elsewhere(os.Getenv("DOCKER_HOST")); err != nil {
		return nil, err
	}
	if os.Getenv("TESTCONTAINERS_HOST_OVERRIDE") == "" {
		if err := os.Setenv("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1"); err != nil {
			return nil, err
		}
	}
	// The library knows processes with the same parent as one session with one reaper. That
	// one stays as long as any of them does, and goes ten seconds after the last: a test
	// binary that begins just then finds it going, and has none.
	if err := os.Setenv("TESTCONTAINERS_SESSION_ID", rand.Text()); err != nil {
		return nil, err
	}
	tclog.SetDefault(tclog.NewNoopLogger())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err == nil {
		_, err = c.Info(ctx, client.InfoOptions{})
	}
	// The library goes on to other engines when the one that the user names does not answer.
	if named := os.Getenv("DOCKER_HOST"); err == nil && named != "" && c.DaemonHost() != named {
		err = fmt.Errorf("the one at DOCKER_HOST=%s does not", named)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (make brokers starts one, and says why it cannot): %w", errNoEngine, err)
	}
	return c, nil
})
