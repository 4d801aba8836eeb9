package lettertwins

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// Letter makes the nth letter of shop.mailer, with an event that can be read.
func Letter(n int) dlq.Letter {
	at := time.Unix(1_700_000_000+int64(n), 123456789).UTC()
	e := eventbus.NewRaw("order.created", fmt.Sprint("o-", n%10), "application/json", []byte(`{"total":7}`)).WithID(fmt.Sprint("e-", n)).WithTime(at)
	e.Source = "/shop"
	return WithEvent(dlq.Letter{
		ID: fmt.Sprintf("%06d", n), Group: "shop", Subscriber: "mailer", Reason: dlq.HandlerError, Errors: []string{"no"},
		Attempts: 5, FirstFailure: at.Add(-time.Minute), LastFailure: at, BuriedAt: at.Add(1), Origin: "order/0/1-1", Topic: "order",
	}, e)
}

// WithEvent puts the event into the letter, as it is read back.
func WithEvent(l dlq.Letter, e eventbus.DomainEvent) dlq.Letter {
	header, body := wire.Encode(&e)
	decoded, err := wire.Decode(header, body)
	if err != nil {
		panic(err)
	}
	l.Event, l.Body, l.Headers = decoded, body, nil
	for _, h := range header {
		l.Headers = append(l.Headers, dlq.Header{Name: h.Name, Value: h.Value})
	}
	l.EventID, l.Type, l.AggregateType, l.AggregateID, l.TenantID = e.ID, e.Type, e.AggregateType, e.AggregateID, e.TenantID
	return l
}

// Random makes letters, and questions about them, of which many meet.
type Random struct{ *rand.Rand }

// OneOf is one of them.
func OneOf[T any](r Random, of ...T) T { return of[r.IntN(len(of))] }

// ID is that of a letter.
func (r Random) ID() string { return fmt.Sprintf("id-%02d", r.IntN(40)) }

// IDs are some.
func (r Random) IDs() (out []string) {
	for range 1 + r.IntN(12) {
		out = append(out, r.ID())
	}
	return out
}

// Filter asks for some, all or none.
func (r Random) Filter() (f dlq.Filter) {
	sometimes := func() bool { return r.IntN(4) == 0 }
	if r.IntN(2) == 0 {
		f.Group = OneOf(r, "shop", "bi", "none")
	}
	if sometimes() {
		f.Groups = OneOf(r, []string{"shop"}, []string{"shop", "bi"}, []string{"bi", "bi"})
	}
	if sometimes() {
		f.Subscriber = OneOf(r, "mailer", "mail")
	}
	if sometimes() {
		f.Type = OneOf[eventbus.Pattern](r, "order.created", "order.paid", "order.*", "#", "none")
	}
	if sometimes() {
		f.Reason = OneOf(r, dlq.Panic, dlq.Timeout)
	}
	if sometimes() {
		f.After = r.Time()
	}
	if sometimes() {
		f.Before = r.Time()
	}
	if sometimes() {
		f.AggregateID, f.TenantID = OneOf(r, "", "o-1"), OneOf(r, "", "t-1")
	}
	if sometimes() {
		f.Text = OneOf(r, "E-1", "Zür", "\xff", "total")
	}
	if r.IntN(8) == 0 {
		f.IDs = r.IDs()
	}
	return f
}

// Time is one that others have too, or an odd one.
func (r Random) Time() time.Time {
	if r.IntN(20) == 0 {
		return OneOf(r, time.Time{}, time.Unix(-1, 5).UTC(), time.UnixMilli(0).UTC())
	}
	return time.Unix(1_700_000_000, 0).Add(time.Duration(r.IntN(40)) * 250 * time.Microsecond).UTC()
}

// Letter is one of any group.
func (r Random) Letter() dlq.Letter {
	return r.letter(r.ID(), OneOf(r, "shop", "bi"), OneOf(r, "mailer", "mail"))
}

// LetterOfOneGroup is one whose ID tells its group, as all do that dlq.NewID makes.
func (r Random) LetterOfOneGroup() dlq.Letter {
	id := r.ID()
	return r.letter(id, []string{"shop", "bi"}[id[4]%2], []string{"mailer", "mail"}[id[4]/2%2])
}

func (r Random) letter(id, group, subscriber string) dlq.Letter {
	l := dlq.Letter{
		ID: id, Group: group, Subscriber: subscriber, Reason: OneOf(r, dlq.Panic, dlq.Timeout),
		Errors: OneOf(r, nil, []string{"no"}, []string{"Zürich is \"down\"\n", "\xff\x00", "<&>\u2028"}), Stack: OneOf(r, "", "goroutine 1\n\tmain.go"),
		Attempts: r.IntN(5), Crashes: r.IntN(2), FirstFailure: r.Time(), LastFailure: r.Time(), BuriedAt: r.Time(),
		Origin: OneOf(r, "order/0/1-1", "\x80"), Replays: r.IntN(3), Topic: OneOf(r, "order", "a\xffb"),
	}
	if r.IntN(3) == 0 { // it cannot be read
		l.Headers = OneOf(r, nil, []dlq.Header{{Name: "redis-field-\xff", Value: "\x00\xfe"}, {Name: "", Value: ""}})
		l.Body = OneOf(r, nil, []byte("\n\n\x00\xff"), make([]byte, 2000))
		return l
	}
	e := eventbus.NewRaw(OneOf(r, "order.created", "order.paid"), OneOf(r, "o-1", "o-2"), "text/plain", OneOf(r, nil, []byte("\ntotal\xff")))
	e.Source, e.ID, e.TenantID = "/shop", fmt.Sprint("e-", r.IntN(20)), OneOf(r, "", "t-1", "t-2")
	return WithEvent(l, e.WithMetadata("a", "ü"))
}
