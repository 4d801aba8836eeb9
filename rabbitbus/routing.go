package rabbitbus

import (
	"context"
	"fmt"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// Binding is a way for what is published to an exchange that is not the bus's own, and not made
// by it, into the queue of a subscriber. What comes that way is an event if it says what
// docs/wire-rabbitmq.md asks for, and else a dead letter; what the subscriber's patterns do not
// want is passed over. A message that comes over two exchanges comes twice.
type Binding struct {
	Subscriber string     // its name. Zero means each subscriber of this bus
	Exchange   string     // must be there
	Key        string     // as the exchange's type takes it: at most 255 bytes
	Args       amqp.Table // as the exchange's type takes them
}

// everything is the key of groups that want more than an exchange of type direct can tell apart;
// events are sent with it too. It can be no event's type.
const everything = "#"

// route is a binding of a group's queue to the bus's own exchange.
type route struct {
	key  string
	args amqp.Table
}

// route is how an exchange of that type is told of a pattern. One that cannot tell the
// pattern's events from others hands over more, and the engine passes over what nobody wants.
func (o Options) route(p eventbus.Pattern) route {
	wild := strings.ContainsAny(string(p), "*#")
	switch o.ExchangeType {
	case amqp.ExchangeFanout:
		return route{}
	case amqp.ExchangeDirect:
		if wild {
			return route{key: everything}
		}
	case amqp.ExchangeHeaders:
		if wild {
			return route{args: amqp.Table{"x-match": "all"}} // of none
		}
		return route{args: amqp.Table{"x-match": "any", onWire + "type": string(p), "cloudEvents:type": string(p)}}
	}
	return route{key: string(p)}
}

// addSecondKey adds the header by which an event is sent with a second key, where it needs one.
func (o Options) addSecondKey(h amqp.Table) {
	if o.ExchangeType == amqp.ExchangeDirect {
		h["BCC"] = []any{everything}
	}
}

// bind binds a group's queue for its patterns.
func (t *transport) bind(ctx context.Context, c *conn, g engine.Group) error {
	queue := t.names.queue(g.Name)
	err := c.briefly(ctx, func(ch *amqp.Channel) error {
		for _, p := range g.Patterns {
			r := t.options.route(p)
			if err := ch.QueueBind(queue, r.key, t.names.exchange(), false, r.args); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("rabbitbus: bind %s to %s: %w", queue, t.names.exchange(), typed(err))
	}
	return nil
}

// bindOthers binds a group's queue to the exchanges of others.
func (t *transport) bindOthers(ctx context.Context, c *conn, group string) error {
	queue := t.names.queue(group)
	_, subscriber := splitGroup(group)
	for _, b := range t.options.Bindings {
		if b.Subscriber != "" && b.Subscriber != subscriber {
			continue
		}
		err := c.briefly(ctx, func(ch *amqp.Channel) error { return ch.QueueBind(queue, b.Key, b.Exchange, false, b.Args) })
		if err != nil {
			return fmt.Errorf("rabbitbus: bind %s to %s: %w", queue, b.Exchange, typed(err))
		}
	}
	return nil
}

// Unbind removes what Subscribe has once bound, a pattern that a group does not ask for any more:
// from then on its queue gets no such events, unless the exchange cannot tell them from others that
// it asks for. What waits in it stays, and subscribers pass over it.
// A pattern that a subscriber of this bus asks for, and a group that does not exist, are refused
// with an [eventbus.ValidationError]; one that is not bound is no error. Where a subscriber of
// another process asks for it, events are lost to it until it binds it again, within ten seconds.
func (b *Bus) Unbind(ctx context.Context, group string, p eventbus.Pattern) error {
	if err := b.transport.unbind(ctx, group, p); err != nil {
		return fmt.Errorf("rabbitbus: unbind %s: %w", excerpt.Of(string(p)), err)
	}
	return nil
}

func (t *transport) unbind(ctx context.Context, group string, p eventbus.Pattern) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if t.options.Passive {
		return passively("to be unbound")
	}
	c, _, err := t.existing(ctx, group)
	if err != nil {
		return err
	}
	if slices.Contains(t.asked(group), p) {
		return &eventbus.ValidationError{Field: "pattern", Rule: "must be none that a subscriber of this bus asks for; stop it first", Value: string(p)}
	}
	groups, err := t.registry().all(ctx)
	if err != nil {
		return err
	}
	r := t.options.route(p)
	needed := slices.ContainsFunc(append(groups[group], t.asked(group)...), func(q eventbus.Pattern) bool {
		return q != p && t.options.route(q).same(r)
	})
	if !needed {
		err = c.briefly(ctx, func(ch *amqp.Channel) error {
			return ch.QueueUnbind(t.names.queue(group), r.key, t.names.exchange(), r.args)
		})
	}
	if err != nil {
		return typed(err)
	}
	return t.registry().unbound(ctx, group, p)
}

// same reports whether both are one binding.
func (r route) same(other route) bool {
	return r.key == other.key && fmt.Sprint(r.args) == fmt.Sprint(other.args)
}

// asked are the patterns that the members of this bus ask for.
func (t *transport) asked(group string) (patterns []eventbus.Pattern) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for m := range t.members {
		if m.group.Name == group {
			patterns = append(patterns, m.group.Patterns...)
		}
	}
	return patterns
}

// passively refuses what Options.Passive rules out.
func passively(what string) error {
	return &eventbus.ValidationError{Field: "Passive", Rule: "must not be set where something is " + what, Value: "true"}
}

// validateRouting returns what is wrong with how events are to be routed.
func (o Options) validateRouting(wrong func(field, rule string, value any)) {
	types := []string{amqp.ExchangeTopic, amqp.ExchangeDirect, amqp.ExchangeFanout, amqp.ExchangeHeaders}
	if !slices.Contains(types, o.ExchangeType) {
		wrong("ExchangeType", fmt.Sprintf("must be one of %q", types), excerpt.Of(o.ExchangeType))
	}
	for i, b := range o.Bindings {
		field := fmt.Sprintf("Bindings[%d].", i)
		if b.Exchange == "" || b.Exchange == o.Prefix || len(b.Exchange) > longest {
			wrong(field+"Exchange", "must be the name of an exchange, of at most 255 bytes, that is not the bus's own", excerpt.Of(b.Exchange))
		}
		if len(b.Key) > longest {
			wrong(field+"Key", "must be at most 255 bytes", excerpt.Of(b.Key))
		}
		if err := b.Args.Validate(); err != nil {
			wrong(field+"Args", "must be what AMQP can say: "+err.Error(), len(b.Args))
		}
	}
	if o.Passive && len(o.Bindings) > 0 {
		wrong("Bindings", "must be empty with Passive, which binds nothing", len(o.Bindings))
	}
}
