package simulation

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run this seed of the simulation alone")
	seeds   = flag.Uint64("seeds", 0, "run so many seeds of the simulation")
	repeat  = flag.Int("repeat", 1, "run each seed so often")
)

// Whatever the broker does: nothing accepted is lost, the order of an aggregate is kept,
// duplicates are bounded by the faults, every failure is retried or buried, the sums add
// up, and no goroutine is left.
func TestSimulation(t *testing.T) {
	n := *seeds
	switch {
	case *oneSeed > 0:
		run(t, *oneSeed)
		return
	case n > 0:
	case testing.Short():
		n = 50
	default:
		n = 500
	}
	workers := uint64(runtime.GOMAXPROCS(0))
	for first := range workers {
		t.Run(fmt.Sprint("worker", first), func(t *testing.T) {
			t.Parallel()
			for seed := first + 1; seed <= n && !t.Failed(); seed += workers {
				run(t, seed)
			}
		})
	}
}

// run runs one seed. The name of the subtest tells it even where a goroutine that is
// left ends the whole test.
func run(t *testing.T, seed uint64) {
	for range *repeat {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newWorld(t, newPlan(seed)).run() })
		})
	}
}

// run plays the plan, lets everything come to rest, and judges it.
func (w *world) run() {
	for range w.plan.processes {
		w.launch()
	}
	var others sync.WaitGroup
	for n := range w.plan.publishers {
		others.Go(func() { w.publisher(n) })
	}
	for _, a := range w.plan.acts {
		rest(w.t.Context(), a.after)
		w.act(&others, a)
	}
	w.mu.Lock()
	lonely := w.lonely()
	w.mu.Unlock()
	if lonely {
		w.launch()
	}
	others.Wait()
	w.settle()
	w.judge()
	if w.plan.seed%4 == 0 {
		w.again()
	}
	close(w.gate)
	for _, p := range w.processes {
		if !p.stopping {
			p.shutdown(forever)
		}
	}
	w.report()
}

// again replays all letters, most of which are handled now.
func (w *world) again() {
	for _, p := range w.processes {
		if p.stopping {
			continue
		}
		for _, g := range w.groups {
			p.replay(g)
		}
		break
	}
	w.settle()
	w.judge()
}

// settle lets the faults end, and waits until nothing is under way.
func (w *world) settle() {
	w.mu.Lock()
	w.calm = true
	w.note("world", "", "all is calm")
	w.mu.Unlock()
	var left string
	for range 600 {
		rest(w.t.Context(), time.Second)
		if left = w.inFlight(); left != "" {
			continue
		}
		w.mu.Lock()
		left = w.underWay()
		w.mu.Unlock()
		if left == "" {
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violation("", "it does not come to rest: %s", left)
}

// inFlight tells of something that a process has under way.
func (w *world) inFlight() string {
	for _, p := range w.processes {
		if p.stopping {
			continue
		}
		st, err := p.bus.Stats(w.t.Context())
		if err != nil {
			return err.Error()
		}
		for _, s := range st.Subscribers {
			if s.InFlight > 0 || s.Running > 0 {
				return fmt.Sprintf("%s %s: %d under way, %d running", p.name, s.Subscriber, s.InFlight, s.Running)
			}
		}
	}
	return ""
}

// underWay tells of something that is, apart from handlers that were given up.
func (w *world) underWay() string {
	for _, g := range w.groups {
		for _, q := range g.queues {
			if len(q.ready) > 0 || q.delayed > 0 || q.owner == nil || len(q.owner.out) > 0 {
				return fmt.Sprintf("%s/%d: %d ready, %d delayed, owner %+v", g.full, q.number, len(q.ready), q.delayed, q.owner)
			}
		}
		for _, c := range g.running {
			if time.Since(c.began) < g.timeout+grace+time.Second {
				return fmt.Sprintf("%s: %s is being handled", g.full, c.book.event.ID)
			}
		}
	}
	return ""
}
