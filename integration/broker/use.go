package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Space is a test's own part of a shared broker.
type Space struct {
	Server
	// Prefix is of [a-z0-9-], begins with a letter, and is this test's alone. Whatever the test
	// makes on the broker has it in its name.
	Prefix string
}

// Use returns a part of the broker that the tests of this binary share. When the test ends,
// and what it has registered by Cleanup afterwards is done, everything in whose name the
// prefix stands is removed.
func Use(t testing.TB, k Kind) Space {
	t.Helper()
	server, err := sharedBrokers[k].ask(k)
	if errors.Is(err, errNoEngine) {
		t.Fatalf("%v\nor set %s to the address of a server that runs already", err, k.protocol().variable())
	}
	if err != nil {
		t.Fatal(err)
	}
	s := Space{Server: server, Prefix: "eventbus-test-" + strings.ToLower(rand.Text()[:12])}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		if err := s.sweep(ctx); err != nil {
			t.Errorf("broker: %s is not cleaned up: %v", k, err)
		}
	})
	return s
}

// sweep removes until nothing is left: what a test has stopped a moment ago may still be
// in use on the server, and what is deleted may still be listed.
func (s Space) sweep(ctx context.Context) error {
	p := s.Kind.protocol()
	var failure error
	for {
		names, err := p.names(ctx, s.Server, s.Prefix)
		if err == nil && len(names) == 0 {
			return nil
		}
		if err == nil {
			err = p.remove(ctx, s.Server, names)
		}
		if ctx.Err() == nil {
			failure = err // not that the time is up, but what it was spent on
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", strings.Join(names, ", "), errors.Join(failure, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
