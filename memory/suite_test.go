package memory_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bustest"
	"github.com/seed-28af575d/eventbus/internal/wire"
	"github.com/seed-28af575d/eventbus/memory"
)

// The memory bus keeps every promise, by reference and through the wire format, in
// virtual time and in real time.
func TestConformance(t *testing.T) {
	for name, o := range map[string]memory.BrokerOptions{
		"ByReference": {},
		"Encoded":     {Encode: true},
	} {
		t.Run(name+"/Virtual", func(t *testing.T) { bustest.Run(t, backend(o, true)) })
		t.Run(name+"/Real", func(t *testing.T) {
			if testing.Short() {
				t.Skip("make check runs the suite in virtual time only; make test runs it in real time too")
			}
			bustest.Run(t, backend(o, false))
		})
	}
}

func backend(o memory.BrokerOptions, virtual bool) bustest.Backend {
	return bustest.Backend{
		Capabilities: memory.Capabilities(),
		Virtual:      virtual,
		Space: func(t testing.TB) bustest.Space {
			broker, err := memory.NewBroker(o)
			require.NoError(t, err)
			s := &space{broker: broker, crashes: map[eventbus.EventBus]func(){}}
			return bustest.Space{Open: s.open, Crash: s.crash, Inject: s.inject}
		},
	}
}

// space is a broker whose buses can be made to crash.
type space struct {
	broker *memory.Broker

	mu      sync.Mutex
	crashes map[eventbus.EventBus]func()
}

func (s *space) open(o eventbus.Options) (eventbus.EventBus, error) {
	bus, crash, err := s.broker.OpenCrashable(o)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashes[bus] = crash
	return bus, nil
}

func (s *space) crash(bus eventbus.EventBus) {
	s.mu.Lock()
	crash := s.crashes[bus]
	s.mu.Unlock()
	crash()
}

func (s *space) inject(_ context.Context, topic string, m bustest.Foreign) error {
	var header []wire.Field
	for _, h := range m.Headers {
		header = append(header, wire.Field{Name: h.Name, Value: h.Value})
	}
	return s.broker.Inject(topic, header, m.Body)
}
