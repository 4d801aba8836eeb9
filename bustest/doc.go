// Package bustest is the contract of an event bus as a test: each promise of
// package eventbus is a case, and a backend that passes them all keeps them.
//
//	func TestConformance(t *testing.T) {
//		bustest.Run(t, bustest.Backend{
//			Virtual: true, // no real I/O: run in virtual time
//			Space: func(t testing.TB) bustest.Space {
//				broker := acme.NewBroker()
//				return bustest.Space{
//					Open:   func(o eventbus.Options) (eventbus.EventBus, error) { return broker.Open(o) },
//					Crash:  func(bus eventbus.EventBus) { broker.Cut(bus) },
//					Inject: func(ctx context.Context, topic string, m bustest.Foreign) error { return broker.Put(ctx, topic, m.Headers, m.Body) },
//				}
//			},
//		})
//	}
//
// A failure prints file, line and the promise that is broken. Names of cases are
// stable: -run 'TestConformance/Order' runs one theme, -run
// 'TestConformance/Order/WhileRetrying$' one case.
//
// # What is proven
//
// At the end Run logs a table (go test -v shows it): the verdict of every case with
// its promise. A case that a backend cannot offer, by a capability that it declares
// or a part that it leaves out, is skipped and stands in the table as not offered;
// what the suite itself does not ask for yet stands there too. Nothing is left out
// silently.
//
// # What a backend may offer
//
// Only [Space].Open is required. What else a space can do is a function of it, and each
// is there for a promise:
//
//	OpenAs       an instance that comes back under its name handles first what it left
//	OpenKeeping  what all groups have acknowledged is trimmed, and nothing else
//	OpenRequiring  an event that no group wants is refused
//	Crash        no death of a process loses an event; with Durable, not even the death of all
//	Cut          publisher and subscribers go on after a cut connection
//	LoseReply    what may have been stored is reported as unknown
//	Delete       what is deleted beneath a running bus is made again
//	Inject       what is unreadable becomes a dead letter
//
// Cut and LoseReply need a proxy between the buses and the broker, or a dialer that
// wraps its connections. Where deliveries are leased, [Backend].Lease says for how long.
//
// # How cases work
//
// Each case opens its buses on a [Space] of its own. Cases run in parallel, or, where
// the backend is Virtual, one after the other in bubbles of testing/synctest, where
// waiting costs nothing and delays are checked to the nanosecond. A case waits for
// what should happen, at most [Backend.Patience]; to show that something does not
// happen it lets something happen that comes after it. At its end every bus is shut
// down, which must succeed.
package bustest
