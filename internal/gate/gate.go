// Package gate spares servers that do not let us in the attempts of every connection that is wanted.
package gate

import (
	"sync"
	"time"
)

// Gate is open until it is shut for a reason; then one may try in each [Pause], and the others are told the
// reason, until one is let in. The zero value is open. All methods may be called concurrently.
type Gate struct {
	mu      sync.Mutex
	refused error
	next    time.Time // when the next may try
}

// Pause is more than the second that servers are promised between two attempts.
const Pause = 1500 * time.Millisecond

// Enter returns why nobody is to try now; or else whether the last who tried were refused.
func (g *Gate) Enter() (refused bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil {
		return false, nil
	}
	if now := time.Now(); now.After(g.next) {
		g.next = now.Add(Pause)
		return true, nil
	}
	return true, g.refused
}

// Reason is why the last who tried were refused, or nil.
func (g *Gate) Reason() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// Leave lets another try, in place of one that no server has answered.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = time.Time{}
}

// Shut is called when a server has refused.
func (g *Gate) Shut(reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused, g.next = reason, time.Now().Add(Pause)
}

// Open is called when a server has accepted.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = nil
}
