// Package eventtest shows a test what a program publishes.
//
//	func TestCheckout(t *testing.T) {
//		bus, err := memory.New(memory.Options{})
//		if err != nil {
//			t.Fatal(err)
//		}
//		events := eventtest.Record(t, bus)
//		shop := NewShop(events) // an eventbus.EventBus like any other
//
//		shop.Checkout(t.Context(), "order-42")
//
//		placed := eventtest.Only[OrderPlaced](events) // the one and only, decoded
//		if placed.AggregateID != "order-42" || placed.Payload.Total != 42 {
//			t.Errorf("placed %+v", placed)
//		}
//		events.None("order.cancelled")
//		paid := eventtest.Wait[OrderPaid](t.Context(), events) // published in the background
//		…
//	}
//
// The example below is such a test that runs. Events are selected by pattern, as by
// a subscriber ([Recorder.Only], [Recorder.Wait]), or by payload type ([Only], [Wait]),
// which also decodes them, as for a typed handler.
//
// What fails ends the test, and shows what was published instead. In bubbles of
// testing/synctest it works too, and waits in virtual time.
package eventtest
