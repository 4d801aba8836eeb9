package bustest

import (
	"context"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// soon waits until the condition holds, asking again and again.
func (k *kit) soon(what string, holds func() bool) {
	k.Helper()
	k.calm()
	every := 20 * time.Millisecond
	if k.backend.Virtual {
		every = 100 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	giveUp := time.After(k.backend.Patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-giveUp:
			k.Fatalf("after %v still not: %s", k.backend.Patience, what)
		}
	}
}

// await waits for the channel to be closed, or to give something.
func (k *kit) await(what string, c <-chan struct{}) {
	k.Helper()
	select {
	case <-c:
	case <-time.After(k.backend.Patience):
		k.Fatalf("after %v still not: %s", k.backend.Patience, what)
	}
}

// returns calls f and fails if it does not return.
func (k *kit) returns(what string, f func()) {
	k.Helper()
	k.await(what+" returns", k.going(f))
}

// going calls f in a goroutine; the channel is closed when it has returned.
func (*kit) going(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}

// together calls f n times at once and waits for all.
func (k *kit) together(what string, n int, f func(i int)) {
	k.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	k.returns(what, all.Wait)
}

// pass lets time go by, where time itself makes the difference.
func (k *kit) pass(d time.Duration) {
	k.Helper()
	<-time.After(d)
}

// took fails unless the delay was d: exactly in virtual time, at least on a real
// clock, where two milliseconds are the resolution of brokers.
func (k *kit) took(what string, got, d time.Duration) {
	k.Helper()
	if k.backend.Virtual && got != d || got < d-2*time.Millisecond {
		k.Errorf("%s took %v, not %v", what, got, d)
	}
}

// quick fails if something that waits for nothing took long.
func (k *kit) quick(what string, took time.Duration) {
	k.Helper()
	bound := k.long() / 2
	if k.backend.Virtual {
		bound = 200 * time.Millisecond
	}
	if took > bound {
		k.Errorf("%s took %v, and waits for nothing", what, took)
	}
}

// gate holds handlers back until it is opened, which the end of the case does at
// the latest.
type gate struct {
	once sync.Once
	way  chan struct{}
}

func (k *kit) gate() *gate {
	g := &gate{way: make(chan struct{})}
	k.gates = append(k.gates, g)
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.way) }) }

// stay waits for the end of the context. A bus that does not end it holds nothing
// up for longer than the case.
func (k *kit) stay(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-k.over:
	}
}

// stuck waits for the gate, whatever else happens.
func (g *gate) stuck() error {
	<-g.way
	return nil
}

// wait waits for the gate or the end of the context, whose cause it returns.
func (g *gate) wait(ctx context.Context) error {
	select {
	case <-g.way:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// after is a script that waits for the gate at the event with the ID.
func (g *gate) after(id string) script {
	return func(ctx context.Context, e eventbus.DomainEvent) error {
		if e.ID == id {
			return g.wait(ctx)
		}
		return nil
	}
}
