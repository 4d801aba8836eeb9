package integration_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bustest"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// The bus on RabbitMQ keeps every promise.
func TestRabbitConformance(t *testing.T) {
	bustest.Run(t, bustest.Backend{
		Capabilities: rabbitbus.Capabilities(),
		Space: func(t testing.TB) bustest.Space {
			s := &rabbitSpace{at: broker.Use(t, broker.RabbitMQ), lines: map[eventbus.EventBus]*line{}}
			return bustest.Space{Open: s.open, Crash: s.crash, Inject: s.inject}
		},
	})
}

// rabbitSpace is a prefix on a server.
type rabbitSpace struct {
	at broker.Space

	mu    sync.Mutex
	lines map[eventbus.EventBus]*line
}

func (s *rabbitSpace) open(o eventbus.Options) (eventbus.EventBus, error) {
	l := &line{}
	bus, err := rabbitbus.New(rabbitbus.Options{Options: o, URL: s.at.URL, Prefix: s.at.Prefix, Dial: l.dial})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[bus] = l
	return bus, nil
}

// crash cuts everything between the bus and the server, for good.
func (s *rabbitSpace) crash(bus eventbus.EventBus) {
	s.mu.Lock()
	l := s.lines[bus]
	s.mu.Unlock()
	l.cut()
}

// inject publishes what another program would: with the native content type, and attributes
// as the CloudEvents binding names them.
func (s *rabbitSpace) inject(ctx context.Context, topic string, m bustest.Foreign) (err error) {
	c, err := amqp.Dial(s.at.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	p := amqp.Publishing{Headers: amqp.Table{}, Body: m.Body}
	for _, h := range m.Headers {
		if h.Name == "content-type" {
			p.ContentType = h.Value
		} else if name, ok := strings.CutPrefix(h.Name, "ce_"); ok {
			p.Headers["cloudEvents_"+name] = h.Value
		} else {
			p.Headers[h.Name] = h.Value
		}
	}
	dc, err := ch.PublishWithDeferredConfirm(s.at.Prefix, topic+".created", false, false, p)
	if err != nil {
		return err
	}
	_, err = dc.WaitContext(ctx)
	return err
}
