package bustest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// trail keeps what happened, in order, for those that wait for it.
type trail[T any] struct {
	k    *kit
	what string

	mu      sync.Mutex
	all     []T
	changed chan struct{} // closed by the next add; nil while nobody waits
}

func newTrail[T any](k *kit, what string) *trail[T] { return &trail[T]{k: k, what: what} }

func (t *trail[T]) add(v T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, v)
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// now returns what there is.
func (t *trail[T]) now() []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

// wait waits until there are n, and returns all that there are.
func (t *trail[T]) wait(n int) []T {
	t.k.Helper()
	giveUp := time.After(t.k.backend.Patience)
	for {
		have, changed := t.watch()
		if have >= n {
			return t.now()
		}
		select {
		case <-changed:
		case <-giveUp:
			t.k.Fatalf("after %v there are %d %s, not %d: %s", t.k.backend.Patience, have, t.what, n, show(t.now()))
		}
	}
}

func (t *trail[T]) watch() (have int, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return len(t.all), t.changed
}

// attempt is one call of a recorder.
type attempt struct {
	event       eventbus.DomainEvent
	delivery    eventbus.Delivery
	began, over time.Time
	first, last int64 // its beginning and end among those of all attempts
	err         error
}

func (a attempt) String() string {
	s := a.event.ID
	if a.err != nil {
		s += " (" + a.err.Error() + ")"
	}
	return s
}

// recorder is a handler that notes its attempts and does what its script says.
type recorder struct {
	k     *kit
	do    script
	sub   eventbus.Subscription
	clock atomic.Int64
	began *trail[attempt]
	ended *trail[attempt]
	good  *trail[attempt] // those that ended without an error
}

func (k *kit) recorder(do script) *recorder {
	return &recorder{
		k: k, do: do,
		began: newTrail[attempt](k, "attempts begun"),
		ended: newTrail[attempt](k, "attempts ended"),
		good:  newTrail[attempt](k, "events handled"),
	}
}

var errNotReturned = errors.New("the handler did not return")

// Handle is the handler.
func (r *recorder) Handle(ctx context.Context, e eventbus.DomainEvent) error {
	a := attempt{event: e, began: time.Now(), first: r.clock.Add(1), err: errNotReturned}
	a.delivery, _ = eventbus.DeliveryOf(ctx)
	r.began.add(a)
	defer func() {
		a.last, a.over = r.clock.Add(1), time.Now()
		r.ended.add(a)
		if a.err == nil {
			r.good.add(a)
		}
	}()
	a.err = nil
	if r.do != nil {
		a.err = errNotReturned // or a panic would look like success
		a.err = r.do(ctx, e)
	}
	return a.err
}

// handled waits until n events were handled and returns the IDs of all that were,
// in order.
func (r *recorder) handled(n int) []string {
	r.k.Helper()
	r.good.wait(n)
	r.k.calm()
	return idsOf(r.good.now())
}

// tried waits until n attempts have ended and returns the IDs, in order.
func (r *recorder) tried(n int) []string {
	r.k.Helper()
	r.ended.wait(n)
	r.k.calm()
	return idsOf(r.ended.now())
}

func idsOf(attempts []attempt) []string {
	out := make([]string, len(attempts))
	for i := range attempts {
		out[i] = attempts[i].event.ID
	}
	return out
}

// attemptOf tells the attempt to a script.
func attemptOf(ctx context.Context) int {
	d, _ := eventbus.DeliveryOf(ctx)
	return d.Attempt
}
