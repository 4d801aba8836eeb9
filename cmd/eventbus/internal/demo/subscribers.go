package demo

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// The subscribers of the demo.
const (
	projectionName = "projection"
	auditName      = "audit"
	notifierName   = "notifier"
	billerName     = "biller"
)

func subscriberNames() []string {
	return []string{projectionName, auditName, notifierName, billerName}
}

// cast are the four subscribers with what they remember.
type cast struct {
	ledger     *ledger
	projection *projection
	audit      audit
	biller     biller
}

func newCast(l *ledger, poison eventbus.Pattern) *cast {
	return &cast{ledger: l, projection: newProjection(l.register), biller: biller{poison: poison}}
}

func (c *cast) subscribers() []eventbus.Subscriber {
	return []eventbus.Subscriber{
		c.subscriber(projectionName, c.projection.handle),
		c.subscriber(auditName, c.audit.handle),
		c.withRetry(c.subscriber(notifierName, notify)),
		c.subscriber(billerName, c.biller.handle),
	}
}

// withRetry lets the notifier try again at once: what fails is soon mended.
func (c *cast) withRetry(s eventbus.Subscriber) eventbus.Subscriber {
	s.Retry = eventbus.RetryPolicy{Attempts: 5, Min: 2 * time.Millisecond, Max: 20 * time.Millisecond}
	return s
}

// work is what a subscriber does with the event at a position of the input.
type work func(ctx context.Context, e eventbus.DomainEvent, position int) error

// subscriber takes every event and keeps the ledger of what succeeded.
func (c *cast) subscriber(name string, do work) eventbus.Subscriber {
	return eventbus.Subscriber{
		Name:   name,
		Events: []string{"#"},
		Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
			position, ok := c.ledger.register.position(&e)
			if !ok {
				c.ledger.stranger(name)
				return nil
			}
			call := c.ledger.begin(name)
			if err := do(ctx, e, position); err != nil {
				return err
			}
			c.ledger.handled(call, position)
			return nil
		}),
	}
}

// projection counts the events of each type, and looks whether those of each
// aggregate arrive in order.
type projection struct {
	register *register

	mu         sync.Mutex
	types      map[string]int
	last       map[aggregateKey]seen
	came       []bool // by position
	violations int
}

// seen is the furthest that an aggregate has come.
type seen struct {
	version  int64
	position int
}

func newProjection(r *register) *projection {
	return &projection{register: r, types: map[string]int{}, last: map[aggregateKey]seen{}}
}

// handle takes an event for a violation when its version is not above all that
// were seen of its aggregate; where versions do not tell, its position. One that
// comes a second time is a duplicate: it is not counted again, and no violation,
// whatever has come in between.
func (p *projection) handle(_ context.Context, e eventbus.DomainEvent, position int) error {
	key := aggregateKey{e.AggregateType, e.AggregateID}
	numbered := p.register.numbered(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.knows(position) {
		return nil
	}
	p.types[e.Type]++
	if e.AggregateID == "" {
		return nil
	}
	before, ok := p.last[key]
	switch {
	case !ok:
	case numbered && e.AggregateVersion < before.version, !numbered && position < before.position:
		p.violations++
	}
	p.last[key] = seen{version: max(before.version, e.AggregateVersion), position: max(before.position, position)}
	return nil
}

// knows reports whether the event has come before, and remembers that it has now.
func (p *projection) knows(position int) bool {
	for len(p.came) <= position {
		p.came = append(p.came, false)
	}
	before := p.came[position]
	p.came[position] = true
	return before
}

func (p *projection) outOfOrder() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.violations
}

// audit is a log of everything, of which only the size is kept.
type audit struct{ entries, bytes atomic.Int64 }

func (a *audit) handle(_ context.Context, e eventbus.DomainEvent, _ int) error {
	a.entries.Add(1)
	a.bytes.Add(int64(len(e.Data())))
	return nil
}

var errMailServer = errors.New("the mail server is busy")

// notify fails for about 3 % of the events, chosen by ID, once or twice.
func notify(ctx context.Context, e eventbus.DomainEvent, _ int) error {
	d, _ := eventbus.DeliveryOf(ctx)
	if d.Attempt <= failures(e.ID) {
		return errMailServer
	}
	return nil
}

// failures is how often the notifier fails for the event of this ID.
func failures(id string) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	dice := h.Sum64()
	dice ^= dice >> 32 // the low bits of similar IDs are alike
	if dice%100 >= 3 {
		return 0
	}
	return 1 + int(dice/100%2)
}

// biller cannot bill the types of the poison pattern until it is fixed.
type biller struct {
	poison eventbus.Pattern
	fixed  atomic.Bool
	failed atomic.Int64
}

func (b *biller) handle(_ context.Context, e eventbus.DomainEvent, _ int) error {
	if b.fixed.Load() || b.poison == "" || !b.poison.Match(e.Type) {
		return nil
	}
	b.failed.Add(1)
	return eventbus.Permanent(fmt.Errorf("there is no tariff for %s", e.Type))
}
