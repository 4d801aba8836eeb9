package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// world is one run: the broker, which outlives its processes, and what is known of
// every event.
type world struct {
	t     *testing.T
	plan  *plan
	began time.Time
	clock eventbus.Clock // of the processes; nil: the system's
	gate  chan struct{}  // what stuck handlers wait for

	mu        sync.Mutex
	chance    *chance
	calm      bool // no faults any more
	groups    []*group
	positions map[string]uint64 // the last of each topic
	places    uint64
	receipts  uint64
	events    map[string]*event
	orders    map[string][]*event // of each aggregate, in the order in which they were stored
	letters   *dlq.MemoryStore
	letterOf  map[string]*book // by the letter's ID
	tries     map[string]map[string]engine.Tries
	processes []*process
	lines     []line
	wrong     []string
}

func newWorld(t *testing.T, p *plan) *world {
	w := &world{
		t: t, plan: p, began: time.Now(), gate: make(chan struct{}), chance: newChance(p),
		positions: map[string]uint64{}, events: map[string]*event{}, orders: map[string][]*event{},
		letters: dlq.NewMemoryStore(dlq.MemoryOptions{}), letterOf: map[string]*book{}, tries: map[string]map[string]engine.Tries{},
	}
	for _, s := range p.subjects {
		g := &group{world: w, subject: s, full: service + "." + s.name, books: map[string]*book{}, exempt: map[string]bool{}, shared: map[string]bool{}}
		for i := range p.shards {
			g.queues = append(g.queues, &queue{group: g, number: i})
		}
		w.groups = append(w.groups, g)
	}
	return w
}

const service = "svc"

func (w *world) group(full string) *group {
	for _, g := range w.groups {
		if g.full == full {
			return g
		}
	}
	return nil
}

// strikes reports whether a fault happens now. The lock is held.
func (w *world) strikes(k fault) bool { return !w.calm && w.chance.strikes(k) }

// draw reports whether one of the faults happens now.
func (w *world) draw(k fault) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.strikes(k)
}

// delay waits a while if it is the broker's pleasure, and reports whether ctx lasted.
func (w *world) delay(ctx context.Context, k fault, most time.Duration) bool {
	w.mu.Lock()
	var d time.Duration
	if !w.calm {
		d = w.chance.while(k, most)
	}
	w.mu.Unlock()
	return d == 0 || rest(ctx, d)
}

// rest waits for d, and reports whether ctx lasted so long.
func rest(ctx context.Context, d time.Duration) bool {
	ended := make(chan struct{})
	t := time.AfterFunc(d, func() { close(ended) })
	defer t.Stop()
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}

// line is something that happened.
type line struct {
	at    time.Duration
	where string // process or group
	id    string // event; "": of interest to all
	what  string
}

// note writes down what happened. The lock is held.
func (w *world) note(where, id, what string) {
	w.lines = append(w.lines, line{time.Since(w.began), where, id, what})
}

// violation notes that something is wrong with an event, or in general. The lock is
// held.
func (w *world) violation(id, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note("oracle", id, "WRONG: "+text)
	if id != "" {
		text = id + ": " + text
	}
	w.wrong = append(w.wrong, text)
}

// history returns the last lines about the aggregate of an event.
func (w *world) history(id string) string {
	most := 80
	if *oneSeed > 0 {
		most = len(w.lines)
	}
	key := w.keyOf(id)
	var out []string
	for _, l := range w.lines {
		if l.id == "" || id == "" || l.id == id || key != "" && w.keyOf(l.id) == key {
			out = append(out, fmt.Sprintf("  %8v %-10s %-8s %s", l.at.Round(time.Microsecond), l.where, l.id, l.what))
		}
	}
	if over := len(out) - most; over > 0 {
		out = slices.Insert(out[over:], 0, fmt.Sprintf("  (%d lines left out)", over))
	}
	return strings.Join(out, "\n")
}

func (w *world) keyOf(id string) string {
	if e := w.events[id]; e != nil {
		return e.aggregate()
	}
	return ""
}

// report fails the test with all that is wrong.
func (w *world) report() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.wrong) == 0 {
		return
	}
	first, _, _ := strings.Cut(w.wrong[0], ":")
	if w.events[first] == nil {
		first = ""
	}
	shown := w.wrong[:min(len(w.wrong), 10)]
	w.t.Errorf("seed %d: %d things are wrong:\n  %s\nalone: go test ./internal/simulation -count=1 -run %s -seed %d\nplan: %s\nhistory of %q:\n%s",
		w.plan.seed, len(w.wrong), strings.Join(shown, "\n  "), strings.SplitN(w.t.Name(), "/", 2)[0], w.plan.seed, w.plan, first, w.history(first))
}

// String tells what the plan is.
func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v, window %d, %d shards, %d processes, ledger %v, publish time-out %v\n", p.traits, p.window, p.shards, p.processes, p.ledger, p.publishTimeout)
	for _, s := range p.subjects {
		fmt.Fprintf(&b, "  %+v\n", *s)
	}
	fmt.Fprintf(&b, "  faults %v\n  acts %v", p.levels, p.acts)
	return b.String()
}
