// Package fault harms the connections between a client and a broker: a TCP proxy in
// the test's own process, which cuts, resets, delays, throttles and freezes them,
// and swallows the answer to one request.
//
//	p := fault.NewProxy(t, fault.Options{Upstream: broker})
//	client := dial(p.Addr())
//	swallowed := p.SwallowReply("XADD", fault.ThenCut)
//	err := client.Append(event) // stored, and the client does not know it
//	<-swallowed
//	p.Cut()
//	p.Heal()
//
// Keep fixed ports below 32768: above, the system gives them to outgoing
// connections. Why the package is not built on Toxiproxy stands in docs/adr/010.
package fault
