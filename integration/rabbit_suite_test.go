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
	"github.com/seed-28af575d/eventbus/integration/fault"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// The bus on RabbitMQ keeps every promise.
func TestRabbitConformance(t *testing.T) { rabbitConformance(t, rabbitbus.Options{}) }

// It does with classic queues too. Over exchanges of other types than topic a message that cannot be
// read comes to more groups than the suite allows, as docs/rabbitmq.md says.
func TestRabbitConformanceOfClassicQueues(t *testing.T) {
	if testing.Short() {
		t.Skip("it is as long as the usual one: make faults")
	}
	rabbitConformance(t, rabbitbus.Options{Classic: true})
}

func rabbitConformance(t *testing.T, o rabbitbus.Options) {
	bustest.Run(t, bustest.Backend{
		Capabilities: rabbitbus.Capabilities(),
		Space: func(t testing.TB) bustest.Space {
			s := &rabbitSpace{at: broker.Use(t, broker.RabbitMQ), options: o, lines: map[eventbus.EventBus]*line{}}
			s.proxy = fault.NewProxy(t, fault.Options{Upstream: s.at.Addr})
			return bustest.Space{
				Open: s.open, OpenRequiring: s.openRequiring, Crash: s.crash, Cut: s.proxy.Reset, LoseReply: s.loseReply, Delete: s.vandals(), Inject: s.inject,
			}
		},
	})
}

// rabbitSpace is a prefix on a server, behind a proxy of its own if it has one.
type rabbitSpace struct {
	at      broker.Space
	options rabbitbus.Options
	proxy   *fault.Proxy

	mu    sync.Mutex
	lines map[eventbus.EventBus]*line
}

func (s *rabbitSpace) open(o eventbus.Options) (eventbus.EventBus, error) {
	return s.openWith(s.options, o)
}

func (s *rabbitSpace) openRequiring(o eventbus.Options) (eventbus.EventBus, error) {
	options := s.options
	options.RequireRoute = true
	return s.openWith(options, o)
}

func (s *rabbitSpace) openWith(options rabbitbus.Options, o eventbus.Options) (eventbus.EventBus, error) {
	l := &line{}
	if s.proxy != nil {
		l.through = s.proxy.Addr()
	}
	options.Options, options.URL, options.Addrs, options.Prefix, options.Dial = o, s.at.URL, addrsOf(s.at.Server), s.at.Prefix, l.dial
	bus, err := rabbitbus.New(options)
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

// loseReply is for what only events have.
func (s *rabbitSpace) loseReply() { s.proxy.SwallowReply("cloudEvents_id", fault.ThenCut) }

// vandals delete what the buses of the space have made.
func (s *rabbitSpace) vandals() map[string]func(ctx context.Context) error {
	all := map[string]func(ctx context.Context) error{
		"exchange": func(context.Context) error {
			return s.do(func(ch *amqp.Channel) error { return ch.ExchangeDelete(s.at.Prefix, false, false) })
		},
	}
	for what, suffix := range map[string]string{"queue": ".0", "members": ".members", "ledger": ".tries"} {
		all[what] = func(ctx context.Context) error {
			groups, err := s.groups(ctx)
			for _, group := range groups {
				err = errors.Join(err, s.deleteQueue(group+suffix))
			}
			return err
		}
	}
	all["registry"] = func(context.Context) error { return s.deleteQueue("groups") }
	return all
}

func (s *rabbitSpace) groups(ctx context.Context) ([]string, error) {
	bus, err := rabbitbus.New(rabbitbus.Options{URL: s.at.URL, Prefix: s.at.Prefix, Options: eventbus.Options{Group: "vandals"}})
	if err != nil {
		return nil, err
	}
	groups, err := bus.Groups(ctx)
	return groups, errors.Join(err, bus.Shutdown(ctx))
}

func (s *rabbitSpace) deleteQueue(name string) error {
	return s.do(func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(s.at.Prefix+"."+name, false, false, false)
		return err
	})
}

// do calls f with a channel of its own.
func (s *rabbitSpace) do(f func(ch *amqp.Channel) error) error {
	c, err := amqp.Dial(s.at.URL)
	if err != nil {
		return err
	}
	ch, err := c.Channel()
	if err == nil {
		err = f(ch)
	}
	return errors.Join(err, c.Close())
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
	if s.options.ExchangeType == amqp.ExchangeDirect { // as docs/wire-rabbitmq.md asks for
		p.Headers["BCC"] = []any{"#"}
	}
	dc, err := ch.PublishWithDeferredConfirm(s.at.Prefix, topic+".created", false, false, p)
	if err != nil {
		return err
	}
	_, err = dc.WaitContext(ctx)
	return err
}
