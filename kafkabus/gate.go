package kafkabus

import (
	"sync"
	"time"
)

// gate spares brokers that do not accept the credentials, or the TLS, the attempts of every connection
// that the bus wants: until one is accepted, one tries in each refusalPause, and the others are told what
// it was told. Connections that stand are not touched.
type gate struct {
	mu      sync.Mutex
	refused error     // until a connection is accepted
	next    time.Time // when the next may try
}

// refusalPause is more than the second that brokers are promised between two attempts.
const refusalPause = 1500 * time.Millisecond

// enter returns why nobody is to try now; or else whether the last who tried were refused.
func (g *gate) enter() (refused bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil {
		return false, nil
	}
	if now := time.Now(); now.After(g.next) {
		g.next = now.Add(refusalPause)
		return true, nil
	}
	return true, g.refused
}

// reason is why the last who tried were refused, or nil.
func (g *gate) reason() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// leave lets another try, in place of one that no broker has answered.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = time.Time{}
}

func (g *gate) shut(refused error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused, g.next = refused, time.Now().Add(refusalPause)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = nil
}
