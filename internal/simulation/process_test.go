package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// process is one instance of the service: a bus and its subscriptions.
type process struct {
	world *world
	plan  *plan
	name  string
	bus   *engine.Bus
	down  chan struct{} // closed when its Shutdown is through

	// Guarded by the lock of the world:
	dead     bool // it has crashed
	stopping bool
	hurried  bool // a grace of it was over
	closed   bool // its transport
	terms    map[*group]*term
}

// term is one subscription from Subscribe to its end.
type term struct {
	sub     eventbus.Subscription
	ended   bool
	failed  int // attempts, as the observer was told
	retried int
	buried  int
}

// launch starts another process.
func (w *world) launch() *process {
	p := &process{world: w, plan: w.plan, down: make(chan struct{}), terms: map[*group]*term{}}
	w.mu.Lock()
	p.name = fmt.Sprint("process", len(w.processes)+1)
	w.note(p.name, "", "starts")
	w.mu.Unlock()
	var err error
	if p.bus, err = engine.New(p.backend(), p.options()); err != nil {
		w.t.Fatal(err)
	}
	for _, g := range w.groups {
		p.subscribe(g)
	}
	if err := p.bus.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes = append(w.processes, p)
	return p
}

func (p *process) backend() engine.Backend {
	b := engine.Backend{
		Transport: &transport{process: p, sending: map[string]bool{}}, Traits: p.plan.traits,
		Letters: &letters{process: p, Store: p.world.letters},
	}
	if p.plan.ledger {
		b.Ledger = &ledger{p}
	}
	return b
}

func (p *process) options() eventbus.Options {
	o := eventbus.Options{
		Group: service, Window: p.plan.window, PublishTimeout: p.plan.publishTimeout,
		Logger: slog.New(slog.DiscardHandler), Clock: p.world.clock, NoTelemetry: true,
		Rand: rand.New(rand.NewPCG(p.plan.seed, hash(p.name))),
	}
	if p.plan.observed {
		o.Observer = p.observer()
	}
	return o
}

// subscribe joins a group, however often it fails.
func (p *process) subscribe(g *group) {
	w := p.world
	for {
		x := &term{}
		w.mu.Lock()
		p.terms[g] = x
		w.mu.Unlock()
		s, err := p.bus.Subscribe(w.t.Context(), eventbus.Subscriber{
			Name: g.name, Events: g.patterns, Retry: g.retry, Timeout: g.timeout, Unordered: g.unordered, Concurrency: g.concurrency,
			Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error { return p.handle(ctx, x, g, e) }),
		})
		if err == nil {
			w.mu.Lock()
			x.sub = s
			w.mu.Unlock()
			return
		}
		w.mu.Lock()
		over := p.dead || p.stopping
		w.mu.Unlock()
		if over {
			return
		}
		rest(w.t.Context(), 10*time.Millisecond)
	}
}

// observer counts what became of failed attempts.
func (p *process) observer() eventbus.Observer {
	w := p.world
	count := func(subscriber string, add func(*term)) {
		w.mu.Lock()
		defer w.mu.Unlock()
		add(p.terms[w.group(service+"."+subscriber)])
	}
	return eventbus.Observer{
		Handled: func(h eventbus.Handled) {
			count(h.Subscriber, func(x *term) {
				if h.Err != nil {
					x.failed++
				}
			})
		},
		Retried: func(r eventbus.Retried) {
			count(r.Subscriber, func(x *term) {
				if r.Attempt > 0 {
					x.retried++
				}
			})
		},
		Buried: func(b eventbus.Buried) { count(b.Subscriber, func(x *term) { x.buried++ }) },
	}
}

// crash kills the process: what its handlers do from now on never happens.
func (p *process) crash() {
	w := p.world
	w.mu.Lock()
	w.note(p.name, "", "CRASHES")
	p.dead = true
	for _, g := range w.groups {
		for _, q := range g.queues {
			if s := q.owner; s != nil && s.process == p {
				s.end("is cut")
				q.reserved = nil
				q.free(s)
			}
		}
		for _, m := range g.members {
			if m.process == p {
				for _, q := range g.queues {
					q.assign()
				}
			}
		}
	}
	w.mu.Unlock()
	p.shutdown(0)
}

// shutdown ends the process within the grace.
func (p *process) shutdown(grace time.Duration) {
	w := p.world
	w.mu.Lock()
	p.stopping = true
	w.note(p.name, "", fmt.Sprint("shuts down within ", grace))
	w.mu.Unlock()
	err := p.within(grace, p.bus.Shutdown)
	w.mu.Lock()
	w.note(p.name, "", fmt.Sprint("is down: ", err))
	if err != nil && grace == forever {
		w.violation("", "%s: Shutdown without a hurry: %v", p.name, err)
	}
	w.mu.Unlock()
	close(p.down)
}

const forever = time.Hour

// within calls what ends with a context, and checks that it returns in time.
func (p *process) within(grace time.Duration, end func(context.Context) error) error {
	w := p.world
	hurry := time.AfterFunc(max(1, grace-time.Millisecond), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		p.hurried = true
	})
	defer hurry.Stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), grace)
	defer cancel()
	if grace <= time.Millisecond {
		w.mu.Lock()
		p.hurried = true
		w.mu.Unlock()
	}
	began := time.Now()
	err := end(ctx)
	if took := time.Since(began); took > grace+time.Second+5*time.Millisecond {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.violation("", "%s: its end took %v, of %v and a second", p.name, took, grace)
	}
	return err
}

// rejoin stops one subscription and joins again.
func (p *process) rejoin(g *group, grace time.Duration) {
	w := p.world
	w.mu.Lock()
	x := p.terms[g]
	if p.dead || p.stopping || x.sub == nil || x.ended {
		w.mu.Unlock()
		return
	}
	x.ended = true
	w.note(p.name, "", "stops "+g.full)
	w.mu.Unlock()
	_ = p.within(grace, x.sub.Stop)
	rest(w.t.Context(), 2*time.Second) // the end goes on behind a Stop that ran out of time
	<-x.sub.Done()
	p.subscribe(g)
}
