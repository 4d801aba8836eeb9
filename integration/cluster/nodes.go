package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

// patience is how long a cluster may take to do whatever is waited for. Some take half a
// minute on two busy cores.
const patience = 2 * time.Minute

// start starts nodes at the same time, and returns when all are ready.
func start(t testing.TB, specs []broker.Spec) []*broker.Node {
	t.Helper()
	nodes, failures := make([]*broker.Node, len(specs)), make([]error, len(specs))
	var wg sync.WaitGroup
	for i, s := range specs {
		s.Patience = patience
		wg.Go(func() { nodes[i], failures[i] = broker.Try(t, s) })
	}
	wg.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	return nodes
}

// freePorts are ports for n nodes.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports, err := broker.FreePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	return ports
}

// check returns nil if the i-th node is as it should be.
type check func(ctx context.Context, i int) error

// await returns when all nodes are as they should be, one after the other with none in
// between that is not.
func await(t testing.TB, nodes []*broker.Node, c check) {
	t.Helper()
	bad := 0
	err := poll(t, func(ctx context.Context) error {
		for i := range nodes {
			if err := ask(ctx, c, i); err != nil {
				bad = i
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("cluster: %s: %v%s", nodes[bad].Name(), err, nodes[bad].LastWords())
	}
}

// find waits until one node is as it should be, and returns which.
func find(t testing.TB, nodes []*broker.Node, c check) int {
	t.Helper()
	found := 0
	err := poll(t, func(ctx context.Context) error {
		var failures []error
		for i, n := range nodes {
			err := ask(ctx, c, i)
			if err == nil {
				found = i
				return nil
			}
			failures = append(failures, fmt.Errorf("%s: %w", n.Name(), err))
		}
		return errors.Join(failures...)
	})
	if err != nil {
		words := ""
		for _, n := range nodes {
			words += "\n" + n.Name() + n.LastWords()
		}
		t.Fatalf("cluster: no node is the one that is looked for:\n%v%s", err, words)
	}
	return found
}

// ask bounds what one node may take to answer: one that is paused does not.
func ask(ctx context.Context, c check, i int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c(ctx, i)
}

// poll calls f until it returns nil, and returns its last error when that takes too long.
func poll(t testing.TB, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}
