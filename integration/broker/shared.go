package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// shared is the broker of a kind that the tests of this process share.
type shared struct {
	once   sync.Once
	server Server
	box    *box // nil where the server runs already
	err    error
}

var sharedBrokers = map[Kind]*shared{Redis: {}, RabbitMQ: {}, Kafka: {}}

// ask starts the broker for the first who asks; all get the same answer.
func (s *shared) ask(k Kind) (Server, error) {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if value := os.Getenv(k.protocol().variable()); value != "" {
			s.server, s.err = outside(ctx, k.protocol(), value)
			return
		}
		s.server, s.box, s.err = startShared(ctx, k.protocol())
	})
	return s.server, s.err
}

func startShared(ctx context.Context, p protocol) (Server, *box, error) {
	free, err := FreePorts(len(p.inside()) + 1)
	if err != nil {
		return Server{}, nil, err
	}
	b, err := run(ctx, spec(p, free[1:], free[0], Options{}))
	return p.at(free[1:]), b, err
}

// outside is a server that runs already. It must answer soon: whoever names it says that
// it is there.
func outside(ctx context.Context, p protocol, value string) (Server, error) {
	s, err := p.parse(value)
	if err != nil {
		return Server{}, fmt.Errorf("broker: %s: %w", p.variable(), err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := p.ready(ctx, s); err != nil {
		return Server{}, fmt.Errorf("broker: %s at %s, as %s says, does not answer (unset it to use a container): %w",
			p.name(), s.Addr, p.variable(), err)
	}
	if _, err := p.names(ctx, s, prefix); err != nil {
		return Server{}, fmt.Errorf("broker: %s at %s, as %s says, does not list what a test would have to remove: %w",
			p.name(), s.Addr, p.variable(), err)
	}
	return s, nil
}

// Runner is what Main wraps: a *testing.M.
type Runner interface{ Run() int }

// Main returns a Runner that runs the tests and then removes the shared brokers. A test
// binary that uses the package gives it to goleak.VerifyTestMain, or to os.Exit its result.
func Main(m Runner) Runner { return mainRunner{m} }

type mainRunner struct{ Runner }

func (m mainRunner) Run() int {
	status := m.Runner.Run()
	if err := removeShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(status, 1)
	}
	return status
}

func removeShared() error {
	var failures []error
	for k, s := range sharedBrokers {
		s.once.Do(func() { s.err = errors.New("broker: the tests have ended") })
		if s.box == nil {
			continue
		}
		if err := s.box.remove(); err != nil {
			failures = append(failures, fmt.Errorf("broker: the shared %s is not removed: %w", k, err))
		}
		s.box = nil
	}
	return errors.Join(failures...)
}
