package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

var errBoom = errors.New("boom")

// rig is a bus over fakes.
type rig struct {
	*testing.T
	*Bus
	fake    *fake
	letters *fakeLetters
	ledger  *fakeLedger
	log     *syncBuffer
	seen    *sightings
}

// settings are what a test changes of a rig.
type settings struct {
	traits  Traits
	options eventbus.Options
	ledger  *fakeLedger // of an earlier rig
}

// virtual runs a test in virtual time on a bus that is shut down at the end.
func virtual(t *testing.T, set settings, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newRig(t, set)) })
}

func newRig(t *testing.T, set settings) *rig {
	t.Helper()
	r := &rig{T: t, fake: newFake(t), log: &syncBuffer{}, seen: &sightings{}}
	r.fake.direct = set.traits.Immediate
	r.letters = &fakeLetters{MemoryStore: dlq.NewMemoryStore(dlq.MemoryOptions{})}
	r.ledger = set.ledger
	if r.ledger == nil {
		r.ledger = &fakeLedger{}
	}
	r.ledger.fake = r.fake
	o := set.options
	if o.Retry == (eventbus.RetryPolicy{}) {
		o.Retry = eventbus.RetryPolicy{Attempts: 3, Min: time.Second, Multiplier: 2, Jitter: -1}
	}
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	o.Observer = eventbus.Tee(r.seen.observer(), o.Observer)
	var err error
	r.Bus, err = New(Backend{Transport: r.fake, Traits: set.traits, Letters: r.letters, Ledger: r.ledger}, o)
	require.NoError(t, err)
	t.Cleanup(func() { rest(time.Hour) }) // for handlers that overran the shutdown
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Hour)
		defer cancel()
		require.NoError(t, r.Shutdown(ctx))
	})
	return r
}

// join subscribes to everything, starts the bus if that was not done, and opens a
// source.
func (r *rig) join(sub eventbus.Subscriber) (*subscription, *fakeSource) {
	r.Helper()
	if sub.Name == "" {
		sub.Name = "mailer"
	}
	if sub.Events == nil {
		sub.Events = []string{"#"}
	}
	s, err := r.Subscribe(r.Context(), sub)
	require.NoError(r, err)
	if err := r.Start(r.Context()); err != nil {
		require.ErrorIs(r, err, eventbus.ErrStarted)
	}
	mine, ok := s.(*subscription)
	require.True(r, ok)
	return mine, r.member(sub.Name).open()
}

// on is join with a handler only.
func (r *rig) on(h eventbus.HandlerFunc) (*subscription, *fakeSource) {
	r.Helper()
	return r.join(eventbus.Subscriber{Handler: h})
}

func (r *rig) member(name string) *fakeMember {
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	return r.fake.members["default."+name]
}

// stats are those of the only subscriber.
func (r *rig) stats() eventbus.SubscriberStats {
	r.Helper()
	st, err := r.Stats(r.Context())
	require.NoError(r, err)
	require.Len(r, st.Subscribers, 1)
	return st.Subscribers[0]
}

// buried returns all letters, the oldest first.
func (r *rig) buried() []dlq.Letter {
	r.Helper()
	p, err := r.letters.Page(r.Context(), dlq.Filter{}, "", 1000)
	require.NoError(r, err)
	return p.Letters
}

// within returns a context that ends after d.
func (r *rig) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(r.Context(), d)
	r.Cleanup(cancel)
	return ctx
}

// pass lets virtual time pass, until all have done what they had to do by then.
func pass(d time.Duration) {
	rest(d)
	synctest.Wait()
}

// rest is what a slow handler does, in virtual time.
func rest(d time.Duration) { <-after(d) }

// after is time.After for bubbles under the race detector, where a timer of Go 1.26
// that is due at once crashes the process now and then, and so does its channel.
func after(d time.Duration) <-chan struct{} {
	ended := make(chan struct{})
	if d <= 0 {
		close(ended)
		return ended
	}
	time.AfterFunc(d, func() { close(ended) })
	return ended
}

// gate is for what a handler or a backend waits for. It opens at the end at the
// latest.
func (r *rig) gate() (wait chan struct{}, open func()) {
	wait = make(chan struct{})
	open = sync.OnceFunc(func() { close(wait) })
	r.Cleanup(open)
	return wait, open
}

// order is an event with that ID about that aggregate.
func order(key, id string) eventbus.DomainEvent {
	e := eventbus.NewRaw("order.created", key, "application/json", []byte(`{"secret":"4711"}`))
	return e.WithID(id)
}

// deliver makes a delivery of an event, as it travels.
func deliver(e eventbus.DomainEvent) *Delivery {
	if e.Source == "" {
		e.Source = "/test"
	}
	header, body := wire.Encode(&e)
	return &Delivery{Message: Message{
		To: Address{Topic: e.AggregateType}, Key: e.AggregateID, Type: e.Type, Header: header, Body: body,
	}}
}

// deliveries are orders with the given "key:id"s.
func deliveries(names ...string) []*Delivery {
	var ds []*Delivery
	for _, name := range names {
		key, id, _ := strings.Cut(name, ":")
		ds = append(ds, deliver(order(key, id)))
	}
	return ds
}

// again marks deliveries as handed over before.
func again(ds ...*Delivery) []*Delivery {
	for _, d := range ds {
		d.Redelivered = 1
	}
	return ds
}

// goroutine names the one that calls.
func goroutine() string {
	b := make([]byte, 64)
	name, _, _ := strings.Cut(string(b[:runtime.Stack(b, false)]), " [")
	return name
}

// goroutines counts those that run the function, "work" of a subscription for
// example.
func goroutines(function string) int {
	b := make([]byte, 1<<20)
	return strings.Count(string(b[:runtime.Stack(b, true)]), ")."+function+"(")
}

// journal is what handlers write down, in order.
type journal struct {
	mu    sync.Mutex
	began time.Time
	lines []string
}

func newJournal() *journal { return &journal{began: time.Now()} }

// add writes a line down, with the time since the beginning.
func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprint(time.Since(j.began))+" "+fmt.Sprintf(format, args...))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string{}, j.lines...)
}

type syncBuffer struct {
	during func() // each Write, if there is one

	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	if b.during != nil {
		b.during()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
