package kafkabus

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// TestLettersAtRandom: whatever is done in whatever order has the same results in memory, also for a
// process that has read nothing yet.
func TestLettersAtRandom(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 4
	}
	b := realBroker(t)
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := b.client.options
			o.Prefix = fmt.Sprint(o.Prefix, "-", seed)
			one := &testBroker{t: t, client: testClient(t, o)}
			t.Cleanup(one.clean)
			r := &letterRandom{Rand: rand.New(rand.NewPCG(uint64(seed), 1)), broker: one, twins: newLetterTwins(t, one)}
			if seed%2 == 1 {
				r.bounds = usualLetterBounds()
				r.bounds.chunk, r.bounds.chunks, r.bounds.bytes, r.bounds.batch = 1+r.IntN(7), 1+r.IntN(3), 1+r.IntN(3000), 2+r.IntN(3)
				r.twins.got.bounds = r.bounds
			}
			for range 150 {
				r.step()
			}
		})
	}
}

type letterRandom struct {
	*rand.Rand
	broker *testBroker
	twins  *letterTwins
	bounds letterBounds // zero: the usual ones
}

func oneOf[T any](r *letterRandom, of ...T) T { return of[r.IntN(len(of))] }

func (r *letterRandom) id() string { return fmt.Sprintf("id-%02d", r.IntN(40)) }

func (r *letterRandom) ids() (out []string) {
	for range 1 + r.IntN(12) {
		out = append(out, r.id())
	}
	return out
}

func (r *letterRandom) step() {
	w := r.twins
	switch n := r.IntN(20); {
	case n < 8:
		w.put(r.letter())
	case n < 11:
		_ = w.take(r.id(), oneOf(r, time.Minute, 0))
	case n < 12:
		w.release(r.id())
	case n < 13:
		r.another()
	case n < 15:
		w.remove(r.ids()...)
	case n < 17:
		w.count(r.filter())
	default:
		r.list()
	}
}

// another goes on with another process's store. What was taken stays so, and that is a matter of each
// store's.
func (r *letterRandom) another() {
	w := r.twins
	next := r.broker.another()
	if r.bounds != (letterBounds{}) {
		next.bounds = r.bounds
	}
	for id, claim := range w.got.held {
		claim.log = next.log(claim.log.group)
		next.held[id] = claim
	}
	w.got = next
}

// list changes letters between the pages where both stores return the same ones: not a part of
// what was asked for.
func (r *letterRandom) list() {
	w, f := r.twins, r.filter()
	between := func() {}
	if r.bounds == (letterBounds{}) {
		between = func() {
			w.put(r.letter())
			w.remove(r.ids()[:1]...)
		}
	}
	w.list(f, oneOf(r, 1, 2, 3, 7, 100), between)
}

func (r *letterRandom) filter() (f dlq.Filter) {
	sometimes := func() bool { return r.IntN(4) == 0 }
	if r.IntN(2) == 0 {
		f.Group = oneOf(r, "shop", "bi", "none")
	}
	if sometimes() {
		f.Groups = oneOf(r, []string{"shop"}, []string{"shop", "bi"}, []string{"bi", "bi"})
	}
	if sometimes() {
		f.Subscriber = oneOf(r, "mailer", "mail")
	}
	if sometimes() {
		f.Type = oneOf[eventbus.Pattern](r, "order.created", "order.paid", "order.*", "#", "none")
	}
	if sometimes() {
		f.Reason = oneOf(r, dlq.Panic, dlq.Timeout)
	}
	if sometimes() {
		f.After = r.time()
	}
	if sometimes() {
		f.Before = r.time()
	}
	if sometimes() {
		f.AggregateID, f.TenantID = oneOf(r, "", "o-1"), oneOf(r, "", "t-1")
	}
	if sometimes() {
		f.Text = oneOf(r, "E-1", "Zür", "\xff", "total")
	}
	if r.IntN(8) == 0 {
		f.IDs = r.ids()
	}
	return f
}

func (r *letterRandom) time() time.Time {
	if r.IntN(20) == 0 {
		return oneOf(r, time.Time{}, time.Unix(-1, 5).UTC(), time.UnixMilli(0).UTC())
	}
	return time.Unix(1_700_000_000, 0).Add(time.Duration(r.IntN(40)) * 250 * time.Microsecond).UTC()
}

func (r *letterRandom) letter() dlq.Letter {
	id := r.id() // of one group, as all are
	l := dlq.Letter{
		ID: id, Group: []string{"shop", "bi"}[id[4]%2], Subscriber: []string{"mailer", "mail"}[id[4]/2%2], Reason: oneOf(r, dlq.Panic, dlq.Timeout),
		Errors: oneOf(r, nil, []string{"no"}, []string{"Zürich is \"down\"\n", "\xff\x00", "<&>\u2028"}), Stack: oneOf(r, "", "goroutine 1\n\tmain.go"),
		Attempts: r.IntN(5), Crashes: r.IntN(2), FirstFailure: r.time(), LastFailure: r.time(), BuriedAt: r.time(),
		Origin: oneOf(r, "order/0/1-1", "\x80"), Replays: r.IntN(3), Topic: oneOf(r, "order", "a\xffb"),
	}
	if r.IntN(3) == 0 { // it cannot be read
		l.Headers = oneOf(r, nil, []dlq.Header{{Name: "redis-field-\xff", Value: "\x00\xfe"}, {Name: "", Value: ""}})
		l.Body = oneOf(r, nil, []byte("\n\n\x00\xff"), make([]byte, 2000))
		return l
	}
	e := eventbus.NewRaw(oneOf(r, "order.created", "order.paid"), oneOf(r, "o-1", "o-2"), "text/plain", oneOf(r, nil, []byte("\ntotal\xff")))
	e.Source, e.ID, e.TenantID = "/shop", fmt.Sprint("e-", r.IntN(20)), oneOf(r, "", "t-1", "t-2")
	return withEvent(l, e.WithMetadata("a", "ü"))
}
