package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// tale is what happens to one order. It depends on the story's seed and the
// order's number alone.
type tale struct {
	seed     uint64
	number   int // of the order, from 1
	chance   *rand.Rand
	rest     []chapter // still to be told
	told     int
	versions map[string]int64 // of the aggregates, by type
	last     eventbus.DomainEvent

	customer string
	total    int
	declined int
}

// A chapter makes the payload of the tale's next event.
type chapter func(*tale) eventbus.EventTyper

func newTale(seed uint64, number int) *tale {
	t := &tale{
		seed: seed, number: number,
		chance:   rand.New(rand.NewPCG(seed, uint64(number))),
		versions: map[string]int64{},
	}
	t.rest = t.plan()
	return t
}

// plan decides how the order goes. The first payment of the first order is always
// declined, so that every story has one.
func (t *tale) plan() []chapter {
	plan := []chapter{(*tale).placed, (*tale).paymentRequested}
	if t.number == 1 || t.chance.IntN(100) < 8 {
		plan = append(plan, (*tale).paymentDeclined)
		if t.chance.IntN(100) < 30 {
			return append(plan, (*tale).paymentDeclined, (*tale).cancelled)
		}
	}
	plan = append(plan, (*tale).paymentCaptured, (*tale).confirmed, (*tale).shipmentPrepared, (*tale).shipmentDispatched)
	if t.chance.IntN(100) < 10 {
		plan = append(plan, (*tale).shipmentDelayed)
	}
	if t.chance.IntN(100) < 4 {
		return append(plan, (*tale).shipmentReturned, (*tale).paymentRefunded, (*tale).cancelled)
	}
	return append(plan, (*tale).shipmentDelivered, (*tale).invoiceIssued, (*tale).completed)
}

// next tells the next event, which the one before it caused.
func (t *tale) next(at time.Time) eventbus.DomainEvent {
	payload := t.rest[0](t)
	t.rest = t.rest[1:]
	t.told++
	aggregate, _, _ := strings.Cut(payload.EventType(), ".")
	t.versions[aggregate]++
	e := eventbus.New(t.id(aggregate), payload).
		WithID(fmt.Sprintf("%d-%06d-%02d", t.seed, t.number, t.told)).
		WithTime(at).
		WithVersion(t.versions[aggregate])
	e.Source = storySource
	if t.told == 1 {
		e = e.WithCorrelation(t.id("order")).WithActor(t.customer)
	} else {
		e = e.CausedBy(t.last)
	}
	t.last = e
	return e
}

func (t *tale) id(aggregate string) string { return fmt.Sprintf("%s-%06d", aggregate, t.number) }

func (t *tale) placed() eventbus.EventTyper {
	t.customer = t.oneOf("ada", "bo", "chidi", "dunja", "emre", "freya", "goran", "hana", "ines", "jun")
	items := make([]item, 1+t.chance.IntN(3))
	for i := range items {
		items[i] = item{
			SKU:      t.oneOf("kettle", "lamp", "notebook", "rucksack", "teapot", "umbrella"),
			Quantity: 1 + t.chance.IntN(3),
			Price:    495 + 50*t.chance.IntN(100),
		}
		t.total += items[i].Quantity * items[i].Price
	}
	return orderPlaced{Customer: t.customer, Items: items, Total: t.total}
}

func (t *tale) confirmed() eventbus.EventTyper { return orderConfirmed{Payment: t.id("payment")} }

func (t *tale) cancelled() eventbus.EventTyper {
	if t.versions["shipment"] > 0 {
		return orderCancelled{Reason: "returned"}
	}
	return orderCancelled{Reason: "not paid"}
}

func (t *tale) completed() eventbus.EventTyper { return orderCompleted{Invoice: t.id("invoice")} }

func (t *tale) paymentRequested() eventbus.EventTyper {
	return paymentRequested{Order: t.id("order"), Amount: t.total}
}

func (t *tale) paymentDeclined() eventbus.EventTyper {
	t.declined++
	return paymentDeclined{Attempt: t.declined, Reason: t.oneOf("card expired", "limit reached", "no answer from the bank")}
}

func (t *tale) paymentCaptured() eventbus.EventTyper { return paymentCaptured{Amount: t.total} }

func (t *tale) paymentRefunded() eventbus.EventTyper { return paymentRefunded{Amount: t.total} }

func (t *tale) shipmentPrepared() eventbus.EventTyper {
	return shipmentPrepared{Order: t.id("order"), Parcels: 1 + t.chance.IntN(2)}
}

func (t *tale) shipmentDispatched() eventbus.EventTyper {
	return shipmentDispatched{Carrier: t.oneOf("bicycle", "post", "van")}
}

func (t *tale) shipmentDelayed() eventbus.EventTyper {
	return shipmentDelayed{Days: 1 + t.chance.IntN(5)}
}

func (t *tale) shipmentDelivered() eventbus.EventTyper {
	return shipmentDelivered{SignedBy: t.oneOf(t.customer, "a neighbour")}
}

func (t *tale) shipmentReturned() eventbus.EventTyper {
	return shipmentReturned{Reason: t.oneOf("address unknown", "damaged", "refused")}
}

func (t *tale) invoiceIssued() eventbus.EventTyper {
	return invoiceIssued{Order: t.id("order"), Amount: t.total}
}

func (t *tale) oneOf(words ...string) string { return words[t.chance.IntN(len(words))] }
