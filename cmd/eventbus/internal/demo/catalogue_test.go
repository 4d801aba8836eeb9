package demo

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// The story and its subscribers as a catalogue.
func TestTheStoryHasACatalogue(t *testing.T) {
	c, err := eventbus.NewCatalogue(eventbus.CatalogueOptions{
		Group: "demo",
		Publishes: []eventbus.Publication{
			eventbus.Publishes[orderPlaced]("A customer has ordered."),
			eventbus.Publishes[orderConfirmed]("The payment has come."),
			eventbus.Publishes[orderCancelled]("It will not be delivered."),
			eventbus.Publishes[orderCompleted]("It is delivered and billed."),
			eventbus.Publishes[paymentRequested]("The provider was asked."),
			eventbus.Publishes[paymentDeclined]("The provider has refused."),
			eventbus.Publishes[paymentCaptured]("The money is ours."),
			eventbus.Publishes[paymentRefunded]("The money went back."),
			eventbus.Publishes[shipmentPrepared]("It is packed."),
			eventbus.Publishes[shipmentDispatched]("The carrier has it."),
			eventbus.Publishes[shipmentDelayed]("The carrier is late."),
			eventbus.Publishes[shipmentDelivered]("The customer has it."),
			eventbus.Publishes[shipmentReturned]("The carrier brought it back."),
			eventbus.Publishes[invoiceIssued]("The customer was billed."),
		},
		Subscribers: newCast(newLedger(newRegister(), subscriberNames()), "shipment.*").subscribers(),
	})
	require.NoError(t, err)
	require.Len(t, c.Events, 14)
	require.Equal(t, []eventbus.PayloadField{
		{Name: "customer", Type: "string"},
		{Name: "items", Type: "array of object"},
		{Name: "items[].sku", Type: "string"},
		{Name: "items[].quantity", Type: "integer"},
		{Name: "items[].price", Type: "integer"},
		{Name: "total", Type: "integer"},
	}, c.Events[4].Fields)
	require.Equal(t, []string{"demo.audit", "demo.biller", "demo.notifier", "demo.projection"}, c.Events[0].Subscribers)
	require.Contains(t, c.Markdown(), "| `shipment.delivered` | `/demo` | `signed_by` string | The customer has it. | `demo.audit`<br>`demo.biller`<br>")
	require.Contains(t, c.Markdown(), "| `demo.audit` | `#` | all 14 |  |")
}
