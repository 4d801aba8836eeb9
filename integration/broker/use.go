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

// prefix begins that of every test.
const prefix = "eventbus-test-"

// How long a clean-up may take. A client that was killed is a member of its Kafka group
// until its session ends, 30 or 45 s later by the defaults of clients. A server that does
// not answer at all is given up sooner: each test that is still to come waits for it, too.
const (
	sweepTime  = time.Minute
	answerTime = 10 * time.Second
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
	s := Space{Server: server, Prefix: prefix + strings.ToLower(rand.Text()[:12])}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), sweepTime)
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
	answered := time.Now()
	for {
		names, err := p.names(ctx, s.Server, s.Prefix)
		if err == nil && len(names) == 0 {
			return nil
		}
		if err == nil {
			answered = time.Now()
			err = p.remove(ctx, s.Server, names)
		}
		if ctx.Err() == nil {
			failure = err // not that the time is up, but what it was spent on
		}
		if time.Since(answered) > answerTime {
			return fmt.Errorf("it does not answer: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", list(names), errors.Join(failure, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// list is for the reader of an error, who does not want thousands.
func list(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
