package demo

// The payloads of the story: what the shop, the payment provider, the warehouse
// and the accounts tell. Amounts are in cents.

type item struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Price    int    `json:"price"`
}

type orderPlaced struct {
	Customer string `json:"customer"`
	Items    []item `json:"items"`
	Total    int    `json:"total"`
}

type orderConfirmed struct {
	Payment string `json:"payment"`
}

type orderCancelled struct {
	Reason string `json:"reason"`
}

type orderCompleted struct {
	Invoice string `json:"invoice"`
}

type paymentRequested struct {
	Order  string `json:"order"`
	Amount int    `json:"amount"`
}

type paymentDeclined struct {
	Attempt int    `json:"attempt"`
	Reason  string `json:"reason"`
}

type paymentCaptured struct {
	Amount int `json:"amount"`
}

type paymentRefunded struct {
	Amount int `json:"amount"`
}

type shipmentPrepared struct {
	Order   string `json:"order"`
	Parcels int    `json:"parcels"`
}

type shipmentDispatched struct {
	Carrier string `json:"carrier"`
}

type shipmentDelayed struct {
	Days int `json:"days"`
}

type shipmentDelivered struct {
	SignedBy string `json:"signed_by"`
}

type shipmentReturned struct {
	Reason string `json:"reason"`
}

type invoiceIssued struct {
	Order  string `json:"order"`
	Amount int    `json:"amount"`
}

func (orderPlaced) EventType() string        { return "order.placed" }
func (orderConfirmed) EventType() string     { return "order.confirmed" }
func (orderCancelled) EventType() string     { return "order.cancelled" }
func (orderCompleted) EventType() string     { return "order.completed" }
func (paymentRequested) EventType() string   { return "payment.requested" }
func (paymentDeclined) EventType() string    { return "payment.declined" }
func (paymentCaptured) EventType() string    { return "payment.captured" }
func (paymentRefunded) EventType() string    { return "payment.refunded" }
func (shipmentPrepared) EventType() string   { return "shipment.prepared" }
func (shipmentDispatched) EventType() string { return "shipment.dispatched" }
func (shipmentDelayed) EventType() string    { return "shipment.delayed" }
func (shipmentDelivered) EventType() string  { return "shipment.delivered" }
func (shipmentReturned) EventType() string   { return "shipment.returned" }
func (invoiceIssued) EventType() string      { return "invoice.issued" }
