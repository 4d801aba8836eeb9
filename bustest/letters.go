package bustest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var burying = []test{
	{
		name:    "Letters/Facts",
		promise: "A letter says what failed, why, how often, when, for whom and where it came from.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.witness()
			s := eventbus.Subscriber{Name: "biller"}
			bus, got := k.running(eventbus.Options{Observer: w.observer()}, s, func(ctx context.Context, _ eventbus.DomainEvent) error {
				return fmt.Errorf("charge, attempt %d: %w", attemptOf(ctx), errTest)
			})
			e := order("a", 1).WithTenant("acme")
			bus.publish(e)
			l := bus.letters().one()
			attempts := got.ended.wait(3)
			equal(k, "letter", []string{l.Group, l.Subscriber, string(l.Reason), l.Topic, l.EventID, l.Type, l.AggregateType, l.AggregateID, l.TenantID},
				[]string{k.group(), "biller", string(dlq.HandlerError), "order", "a-1", "order.created", "order", "a", "acme"})
			equal(k, "attempts, crashes, replays", []int{l.Attempts, l.Crashes, l.Replays}, []int{3, 0, 0})
			equal(k, "errors, outermost first", l.Errors, []string{"charge, attempt 3: " + errTest.Error(), errTest.Error()})
			equal(k, "stack", l.Stack, "")
			k.took("the first failure before the last", l.LastFailure.Sub(l.FirstFailure), 2*k.unit())
			k.took("the first failure after the first attempt", l.FirstFailure.Sub(attempts[0].over), 0)
			if l.Origin == "" || l.BuriedAt.Before(l.LastFailure) {
				k.Errorf("origin %q, buried at %v, last failure at %v", l.Origin, l.BuriedAt, l.LastFailure)
			}
			equal(k, "letter ID", l.ID, dlq.NewID(l.Group, l.Subscriber, l.EventID, l.Origin, 0))
			equal(k, "letter ID that was observed", w.buried.wait(1)[0].LetterID, l.ID)
		},
	},
	{
		name:    "Letters/Message",
		promise: "A letter holds the message byte for byte: its headers, its body, and the event that was read from it.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			body := []byte(" {\"total\": 1.50,\t\"big\": 9007199254740993}\n")
			e := eventbus.NewRaw("order.created", "a", "application/json", body).WithMetadata("channel", "web").WithExtension("region", "eu").WithVersion(7)
			l := k.ward(e).dead.one()
			equal(k, "body", string(l.Body), string(body))
			for name, want := range map[string]string{
				"ce_specversion": "1.0", "ce_id": e.ID, "ce_type": "order.created", "ce_subject": "a", "ce_source": "/" + k.group(),
				"ce_time": e.Time.Format(time.RFC3339Nano), "ce_aggregateversion": "7", "ce_region": "eu", "content-type": "application/json", "channel": "web",
			} {
				equal(k, "header "+name, header(l, name), want)
			}
			for _, h := range l.Headers {
				if strings.HasPrefix(h.Name, "eventbus-") {
					k.Errorf("the letter has the header %q, which is of the delivery and not of the message", h.Name)
				}
			}
			e.Source = "/" + k.group()
			alike(k, l.Event, e)
		},
	},
	{
		name:    "Letters/Once",
		promise: "An event that is given up becomes exactly one letter, and is handed over no more.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			for _, unordered := range []bool{false, true} {
				bus := k.open(eventbus.Options{Group: fmt.Sprint("unordered-", unordered)})
				got := bus.handle(eventbus.Subscriber{Unordered: unordered, From: eventbus.Now()}, failing("a-1", "b-1"))
				bus.start()
				bus.publish(order("a", 1), order("b", 1))
				equal(k, "attempts, sorted", sorted(got.tried(6)), []string{"a-1", "a-1", "a-1", "b-1", "b-1", "b-1"})
				q := bus.letters()
				equal(k, "letters, sorted", sorted(eventIDs(q.wait(2, dlq.Filter{}))), []string{"a-1", "b-1"})
				bus.publish(order("a", 2), order("b", 2))
				equal(k, "events handled, sorted", sorted(got.handled(2)), []string{"a-2", "b-2"})
				equal(k, "attempts", len(got.tried(8)), 8)
				equal(k, "letters", q.count(dlq.Filter{}), 2)
				bus.shutdown()
			}
		},
	},
	{
		name:    "Letters/OnePerSubscriber",
		promise: "Each subscriber that gives an event up has a letter of its own; who handled it has none.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			bus.handle(eventbus.Subscriber{Name: "mailer", Retry: k.retry(1)}, always(errTest))
			bus.handle(eventbus.Subscriber{Name: "biller", Retry: k.retry(2)}, always(errTest))
			good := bus.handle(eventbus.Subscriber{Name: "counter"}, nil)
			bus.start()
			bus.publish(order("a", 1))
			good.handled(1)
			q, of := bus.letters(), []string(nil)
			for _, l := range q.wait(2, dlq.Filter{}) {
				of = append(of, fmt.Sprint(l.Subscriber, " ", l.Attempts))
			}
			slices.Sort(of)
			equal(k, "letters by subscriber, with attempts", of, []string{"biller 2", "mailer 1"})
		},
	},
	{
		name:    "Letters/WrongShape",
		promise: "A payload that is no value of the handler's type becomes a letter without a retry, and later events go on.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w, r := k.witness(), k.recorder(nil)
			bus := k.open(eventbus.Options{Observer: w.observer()})
			bus.subscribe(eventbus.Subscriber{Handler: onCreated(r)})
			bus.start()
			bus.publish(eventbus.NewRaw("order.created", "a", "application/json", []byte(`{"Number":"seven"}`)).WithID("bad"), order("a", 2))
			equal(k, "events handled", r.handled(1), []string{"a-2"})
			l := bus.letters().one()
			equal(k, "letter", []string{l.EventID, string(l.Reason), string(l.Body)}, []string{"bad", string(dlq.Undecodable), `{"Number":"seven"}`})
			equal(k, "retries observed", len(w.retried.now()), 0)
		},
	},
	{
		name:    "Letters/OutliveTheInstance",
		promise: "Letters stay when the instance that made them ends; any instance of the service sees them.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.ward(order("a", 1), order("a", 2))
			before := w.dead.list(dlq.Filter{})
			w.shutdown()
			later := k.open(eventbus.Options{}).letters()
			equal(k, "letters", letterIDs(later.list(dlq.Filter{})), letterIDs(before))
		},
	},
}

// header returns the value of a letter's header, or "".
func header(l dlq.Letter, name string) string {
	for _, h := range l.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}
