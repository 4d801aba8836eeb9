package fault

import (
	"errors"
	"net"
)

// port is the proxy's place: listening, or mute, when the system refuses
// connections. Where the system allows it, it is held while it is mute by a socket
// that is bound and never listens: whoever asks for any port is not given this one,
// and no outgoing connection is, which could otherwise connect to itself.
// Its methods are not called concurrently.
type port struct {
	addr string
	free func() // gives the place up; nil once that is done
	ln   net.Listener
}

func claimPort(addr string) (*port, error) {
	addr, free, err := hold(addr)
	if err != nil {
		return nil, err
	}
	return &port{addr: addr, free: free}, nil
}

// listen returns the listener if it is new, and nil if there is one already or the
// port was given up.
func (p *port) listen() (net.Listener, error) {
	if p.ln != nil || p.free == nil {
		return nil, nil
	}
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		return nil, err
	}
	p.ln = ln
	return ln, nil
}

// mute ends listening; whoever connects is refused. What nobody had accepted is reset.
func (p *port) mute() {
	if p.ln != nil {
		_ = p.ln.Close() // the one failure is that it was closed before
		p.ln = nil
	}
}

func (p *port) release() {
	p.mute()
	if p.free != nil {
		p.free()
		p.free = nil
	}
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
