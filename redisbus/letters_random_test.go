package redisbus

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// TestLettersAtRandom: whatever is done in whatever order has the same results in memory.
func TestLettersAtRandom(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			onEachServer(t, func(t *testing.T, s testServer) {
				r := &letterRandom{Rand: rand.New(rand.NewPCG(uint64(seed), 1)), twins: newLetterTwins(t, s)}
				if seed%2 == 1 {
					r.twins.got.bounds = letterBounds{chunk: 1 + r.IntN(7), remove: 1 + r.IntN(3), bytes: 1 + r.IntN(3000), chunks: 1 + r.IntN(3)}
				}
				for range 120 {
					r.step()
				}
			})
		})
	}
}

type letterRandom struct {
	*rand.Rand
	twins *letterTwins
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
		_ = w.take(r.id(), oneOf(r, time.Second, time.Minute, 0))
	case n < 12:
		w.release(r.id())
	case n < 13:
		w.pass(oneOf(r, time.Second, 59*time.Second))
	case n < 15:
		w.remove(r.ids()...)
	case n < 17:
		w.count(r.filter())
	default:
		r.list()
	}
}

// list changes letters between the pages where both stores return the same ones: not by
// time, and not a part of what was asked for.
func (r *letterRandom) list() {
	w, f := r.twins, r.filter()
	between := func() {}
	if w.got.bounds.chunks == 20 && f.After.IsZero() && f.Before.IsZero() {
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
	l := dlq.Letter{
		ID: r.id(), Group: oneOf(r, "shop", "bi"), Subscriber: oneOf(r, "mailer", "mail"), Reason: oneOf(r, dlq.Panic, dlq.Timeout),
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
