package bustest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// Backend says how to reach the backend under test, and what it can do.
type Backend struct {
	// Space makes an empty place for one case. It is called by several cases at once
	// unless the backend is Virtual. What it registers with t.Cleanup runs after the
	// buses of the case are shut down.
	Space func(t testing.TB) Space
	// Capabilities are what the backend declares; cases that need more are reported as
	// not offered.
	Capabilities eventbus.Capabilities
	// Virtual runs each case inside a bubble of testing/synctest. It is for backends
	// that do no real I/O and start all their goroutines inside Space.
	Virtual bool
	// Lease is how long a process may give no sign of life before its deliveries are
	// handed to another one, as the buses of a space are set up: the shorter, the sooner a
	// case is over that lets it run out. Zero means that it is not a matter of time.
	Lease time.Duration
	// Sources is into how many feeds, each with a window of its own, the events of one topic
	// are spread, as the buses of a space are set up. Zero means one.
	Sources int
	// Patience is how long a case waits for something that should happen. Zero means
	// 30 s, or 10 min of virtual time.
	Patience time.Duration
}

// test is one case: a promise and how it is put to the proof.
type test struct {
	name    string // "Theme/Case", stable
	promise string // one sentence that a user would understand
	needs   []part // what the backend must offer
	alone   bool   // nothing else runs meanwhile
	run     func(k *kit)
}

// Run runs every case of the suite as a subtest of t, and logs what is proven.
func Run(t *testing.T, b Backend) {
	t.Helper()
	if b.Space == nil {
		t.Fatal("bustest: Backend.Space: required")
	}
	b = b.withDefaults()
	has := b.offer(t)
	all := cases()
	verdicts := newVerdicts(b, all)
	t.Cleanup(func() { t.Log(verdicts) })
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			if lacking := has.lacking(c.needs); len(lacking) > 0 {
				verdict := notOffered + ": " + join(lacking)
				verdicts.set(c.name, verdict)
				t.Skipf("%s; so not proven: %s", verdict, c.promise)
			}
			defer func() { verdicts.set(c.name, verdictOn(t)) }()
			if b.Virtual {
				synctest.Test(t, func(t *testing.T) { b.play(t, c) })
				return
			}
			if !c.alone {
				t.Parallel()
			}
			b.play(t, c)
		})
	}
}

// play runs the case and clears up after it.
func (b Backend) play(t testing.TB, c test) {
	k := &kit{TB: t, backend: b, space: b.Space(t), test: c, over: make(chan struct{})}
	defer k.close()
	defer k.survive()
	c.run(k)
}

func (b Backend) withDefaults() Backend {
	if b.Patience == 0 {
		b.Patience = 30 * time.Second
		if b.Virtual {
			b.Patience = 10 * time.Minute
		}
	}
	return b
}

// cases returns all cases, theme by theme.
func cases() []test {
	return slices.Concat(
		publishing, refusing, background,
		receiving, handlers, subscribing, starting,
		ordering, orderWhileRetrying,
		retrying, steering, timeouts,
		burying, unreadable, listing, replaying, replayingMany, modes,
		isolation,
		shutdown, overruns, subscriptions,
		pressure, crashes, lives, hurts, keeping,
		observing, stats, inspecting, admin, resetting,
	)
}
