package simulation

import (
	"context"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus/dlq"
)

// act does what the plan says to some process, if it lives.
func (w *world) act(others *sync.WaitGroup, a act) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.processes[w.chance.general.IntN(len(w.processes))]
	g := w.groups[w.chance.general.IntN(len(w.groups))]
	switch {
	case p.dead || p.stopping:
		return
	case a.what == crash || a.what == stop:
		p.stopping = true
	case a.what == revoke:
		for _, q := range g.queues {
			if q.owner != nil && q.owner.process == p {
				q.owner.end("is revoked")
			}
		}
	}
	others.Go(func() { p.suffer(a, g) })
}

// suffer is what happens to one process.
func (p *process) suffer(a act, g *group) {
	switch a.what {
	case crash:
		p.crash()
	case stop:
		p.shutdown(a.grace)
	case stopOnly:
		p.rejoin(g, a.grace)
	case pause:
		p.pause(g, a.next)
	case replay:
		p.replay(g)
	}
	if a.what <= start {
		rest(p.world.t.Context(), a.next)
		p.world.launch()
	}
}

// pause lets no handler of a subscription start for a while.
func (p *process) pause(g *group, d time.Duration) {
	p.world.mu.Lock()
	sub := p.terms[g].sub
	p.world.mu.Unlock()
	if sub != nil {
		sub.Pause()
		rest(p.world.t.Context(), d)
		sub.Resume()
	}
}

// replay sends the letters of a group back to it.
func (p *process) replay(g *group) {
	ctx, cancel := context.WithTimeout(p.world.t.Context(), 5*time.Second)
	defer cancel()
	_, _ = p.bus.DeadLetters().Replay(ctx, dlq.Filter{Subscriber: g.name}, dlq.ReplayOptions{})
}

// lonely reports whether no process is left.
func (w *world) lonely() bool {
	for _, p := range w.processes {
		if !p.stopping {
			return false
		}
	}
	return true
}
