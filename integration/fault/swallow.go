package fault

import (
	"bytes"
	"context"
	"slices"
	"sync"
)

// Then is what becomes of a connection whose reply was swallowed.
type Then int

const (
	// ThenCut closes the client's connection. The broker's is closed when the broker
	// has taken what it was sent, and what else it answers is dropped.
	ThenCut Then = iota
	// ThenSilence keeps the connection open, and passes nothing on, in neither
	// direction, until the client closes it or the proxy is healed, which ends it:
	// bytes are missing, so it could not go on.
	ThenSilence
)

// swallow waits for the one request that is to be lost, or whose reply is.
type swallow struct {
	match   []byte
	then    Then
	request bool // it is lost itself
	done    chan struct{}
}

// claim is a swallow that has found its connection.
type claim struct {
	*swallow
	sent chan struct{} // closed when the bytes that matched were sent to the broker, if they are
}

// swallows are those that wait. Its methods may be called concurrently.
type swallows struct {
	mu   sync.Mutex
	wait []*swallow
}

func (s *swallows) add(w *swallow) *swallow {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.done = make(chan struct{})
	s.wait = append(s.wait, w)
	return w
}

func (s *swallows) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait = nil
}

// claim takes the first swallow whose match ends in data, and returns the tail to
// come with the next data.
func (s *swallows) claim(tail, data []byte) (found *claim, next []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wait) == 0 {
		return nil, nil
	}
	text, keep := slices.Concat(tail, data), 0
	for i, w := range s.wait {
		from := max(0, len(tail)-len(w.match)+1) // a match that lies in the tail alone was looked for before
		if bytes.Contains(text[from:], w.match) {
			s.wait = slices.Delete(s.wait, i, i+1)
			return &claim{swallow: w, sent: make(chan struct{})}, nil
		}
		keep = max(keep, len(w.match)-1)
	}
	return nil, text[max(0, len(text)-keep):]
}

// forward passes a request on to the broker. From the moment that one is claimed no
// reply is passed on that was not read before.
func (l *link) forward(c chunk, write func([]byte) error) error {
	if l.silent.Load() {
		return nil
	}
	if l.claim.Load() != nil {
		return write(c.data)
	}
	var found *claim
	if found, l.tail = l.proxy.swallows.claim(l.tail, c.data); found == nil {
		return write(c.data)
	}
	l.claim.Store(found)
	if found.request {
		l.silent.Store(true)
		close(found.done)
		return nil
	}
	err := write(c.data)
	if err == nil {
		close(found.sent)
	}
	return err
}

// answered is told what the broker has sent, or that it has closed, and drops it if
// it is to be swallowed. The first that is dropped leaves a mark, at which the
// connection is cut or goes silent, behind what was read before.
func (l *link) answered(ctx context.Context, c chunk) []chunk {
	lost := l.claim.Load()
	if lost == nil {
		return []chunk{c}
	}
	select {
	case <-lost.sent:
	case <-ctx.Done():
		return nil
	}
	switch {
	case !l.marked && c.end == nil:
		l.marked = true
		return []chunk{{lost: lost, came: c.came, luck: c.luck}}
	case c.end != nil && (!l.marked || lost.then == ThenCut):
		return []chunk{c} // a broker that closes without an answer has lost nothing
	}
	return nil
}

// reply passes a reply on to the client.
func (*link) reply(c chunk, write func([]byte) error) error { return write(c.data) }

// lose ends what the client sees of the connection.
func (l *link) lose(c *claim) {
	if c.then == ThenSilence {
		l.silent.Store(true)
	} else {
		l.cut.Store(true)
		closeConn(l.client, fin)
		l.gone()
	}
	close(c.done)
}
