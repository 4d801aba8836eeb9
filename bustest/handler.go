package bustest

import (
	"context"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var handlers = []test{
	{
		name:    "Handler/Forms",
		promise: "A function, an object, a method, a typed function, a list of them and a projection can all be handlers.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			var got []*recorder
			for name, form := range map[string]func(r *recorder) eventbus.Handler{
				"function": func(r *recorder) eventbus.Handler {
					return eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error { return r.Handle(ctx, e) })
				},
				"object":     func(r *recorder) eventbus.Handler { return r },
				"method":     func(r *recorder) eventbus.Handler { return eventbus.HandlerFunc(r.Handle) },
				"typed":      onCreated,
				"list":       func(r *recorder) eventbus.Handler { return eventbus.Handlers(onCreated(r)) },
				"projection": func(r *recorder) eventbus.Handler { return readModel{r}.Handler() },
			} {
				r := k.recorder(nil)
				bus.subscribe(eventbus.Subscriber{Name: name, Handler: form(r)})
				got = append(got, r)
			}
			bus.start()
			bus.publish(orders(1, 3)...)
			for _, r := range got {
				equal(k, "events handled", r.handled(3), ids(orders(1, 3)))
			}
		},
	},
	{
		name:    "Handler/Projection",
		promise: "A projection is handed exactly the types that it declares, of one aggregate in the order of their publication.",
		run: func(k *kit) {
			bus, model := k.open(eventbus.Options{}), readModel{k.recorder(nil)}
			bus.subscribe(eventbus.Subscriber{Handler: model.Handler()})
			bus.start()
			bus.publish(order("a", 1), shipped("a", 2), invoice("a", 1), order("a", 3), shipped("a", 4))
			equal(k, "events handled", model.handled(4), []string{"a-1", "a-2", "a-3", "a-4"})
		},
	},
	{
		name:    "Handler/TypedPayload",
		promise: "A typed handler gets the payload as the value that was published.",
		run: func(k *kit) {
			got := newTrail[basketFilled](k, "payloads")
			bus := k.open(eventbus.Options{})
			bus.subscribe(eventbus.Subscriber{Handler: eventbus.On(func(_ context.Context, e eventbus.Event[basketFilled]) error {
				got.add(e.Payload)
				return nil
			})})
			bus.start()
			want := basketFilled{Owner: "Zoë <z@example.com>", Total: 1e-7, Big: 1<<63 - 1, At: time.Unix(1e9, 123456789).UTC(), Raw: []byte{0, 255}, Items: map[string][]int{"x": {1, 2}, "y": nil}}
			bus.publish(eventbus.New("a", want))
			equal(k, "payload", got.wait(1)[0], want)
		},
	},
	{
		name:    "Handler/WholeEnvelope",
		promise: "Everything on the envelope arrives as it was published: IDs, versions, times, tenant, actor, conversation, metadata, extensions.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			cause := order("a", 1).WithTenant("acme").WithActor("zoë").WithCorrelation("checkout-7")
			e := shipped("a", 2).CausedBy(cause).WithVersion(1<<40).WithTime(time.Unix(1e9, 1)).WithExpiry(time.Now().Add(1000*time.Hour)).
				WithMetadata("channel", "web; q=\"1\"").WithMetadata("x.y-z_0", "").WithExtension("region", "eu-1")
			e.Source, e.DataSchema, e.SchemaVersion = "urn:shop:7", "https://example.com/shipped.json", 3
			bus.publish(e)
			alike(k, got.good.wait(1)[0].event, e)
			equal(k, "causation", got.good.now()[0].event.CausationID, "a-1")
		},
	},
	{
		name:    "Handler/AnyBytes",
		promise: "A payload of bytes arrives byte for byte, with its content type, whatever the bytes are.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{Source: "/shop"}, eventbus.Subscriber{}, nil)
			every := make([]byte, 256)
			for i := range every {
				every[i] = byte(i)
			}
			events := []eventbus.DomainEvent{
				eventbus.NewRaw("order.printed", "a", "application/octet-stream", every),
				eventbus.NewRaw("order.printed", "a", "text/plain; charset=utf-8", []byte("plain\r\ntext\n")),
				eventbus.NewRaw("order.printed", "a", "application/json", []byte(" {\"b\": 1.0, \"a\": 9007199254740993}\n")),
				eventbus.NewRaw("order.printed", "a", "", nil),
			}
			bus.publish(events...)
			for i, a := range got.good.wait(len(events)) {
				events[i].Source = "/shop"
				alike(k, a.event, events[i])
			}
		},
	},
	{
		name:    "Handler/Delivery",
		promise: "A handler can tell its group, its subscriber and its attempt.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			own := bus.handle(eventbus.Subscriber{Name: "mailer"}, nil)
			other := bus.handle(eventbus.Subscriber{Name: "mailer", Group: "other-service"}, nil)
			bus.start()
			bus.publish(order("a", 1))
			equal(k, "delivery", own.good.wait(1)[0].delivery, eventbus.Delivery{Group: k.group(), Subscriber: "mailer", Attempt: 1})
			equal(k, "delivery", other.good.wait(1)[0].delivery, eventbus.Delivery{Group: "other-service", Subscriber: "mailer", Attempt: 1})
		},
	},
	{
		name:    "Handler/UnmatchedIsBuried",
		promise: "An event that a pattern selects and no case takes becomes a dead letter at once, and later ones go on.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, r := k.open(eventbus.Options{}), k.recorder(nil)
			bus.subscribe(eventbus.Subscriber{Events: []string{"order.*"}, Handler: onCreated(r)})
			bus.start()
			bus.publish(order("a", 1), shipped("a", 2), order("a", 3))
			equal(k, "events handled", r.handled(2), []string{"a-1", "a-3"})
			letter := bus.letters().one()
			equal(k, "letter", []string{letter.EventID, string(letter.Reason)}, []string{"a-2", string(dlq.UnknownType)})
		},
	},
	{
		name:    "Handler/UnmatchedIsSkipped",
		promise: "With SkipUnmatched an event that no case takes is passed over, and no letter is made of it.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, r := k.open(eventbus.Options{}), k.recorder(nil)
			bus.subscribe(eventbus.Subscriber{Events: []string{"order.*"}, Unmatched: eventbus.SkipUnmatched, Handler: onCreated(r)})
			bus.start()
			bus.publish(order("a", 1), shipped("a", 2), order("a", 3))
			equal(k, "events handled", r.handled(2), []string{"a-1", "a-3"})
			equal(k, "letters", bus.letters().count(dlq.Filter{}), 0)
		},
	},
}

// basketFilled is a payload with a bit of everything.
type basketFilled struct {
	Owner string
	Total float64
	Big   int64
	At    time.Time
	Raw   []byte
	Items map[string][]int
}

func (basketFilled) EventType() string { return "basket.filled" }

// readModel is a projection of orders.
type readModel struct{ *recorder }

// Handler takes what becomes of orders.
func (m readModel) Handler() eventbus.Handler {
	return eventbus.Handlers(onCreated(m.recorder), onShipped(m.recorder))
}

func onCreated(r *recorder) eventbus.Handler {
	return eventbus.On(func(ctx context.Context, e eventbus.Event[orderCreated]) error { return r.Handle(ctx, e.DomainEvent) })
}

func onShipped(r *recorder) eventbus.Handler {
	return eventbus.On(func(ctx context.Context, e eventbus.Event[orderShipped]) error { return r.Handle(ctx, e.DomainEvent) })
}
