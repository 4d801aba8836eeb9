package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Addresses are those on 127.0.0.1 of what has others in the network of a cluster of Redis,
// by those. It can be sent to another process, whose clients need it as well.
type Addresses map[string]string

// Dial is a Dialer for clients of go-redis. It knows the addresses of the network alone.
func (a Addresses) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	local, ok := a[addr]
	if !ok {
		return nil, fmt.Errorf("cluster: %s is the address of no node", addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, local)
}

// with calls f with a client of one server, which tries everything once.
func with(addr string, f func(*redis.Client) error) error {
	r := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, PoolSize: 1})
	return errors.Join(f(r), r.Close())
}

// replicated returns nil from a replica that follows its master, and from a master that so
// many follow.
func replicated(ctx context.Context, r *redis.Client, replicas int) error {
	info, err := r.Info(ctx, "replication").Result()
	if err != nil {
		return err
	}
	following := strings.Contains(info, "role:slave") && strings.Contains(info, "master_link_status:up")
	followed := strings.Contains(info, "role:master") && strings.Count(info, "state=online") == replicas
	if !following && !followed {
		return fmt.Errorf("says %q", info)
	}
	return nil
}

// firstOf is the first failure.
func firstOf(failures ...error) error {
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}
