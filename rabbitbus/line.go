package rabbitbus

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// line is the socket of a connection. What is written while it is held collects, so that
// many small messages take few system calls: the client writes each of them by itself.
type line struct {
	net.Conn
	taken  atomic.Uint64 // bytes that the client has written
	gone   atomic.Uint64 // of these, what was given to the socket, be it for certain or not
	broken atomic.Bool   // what was held could not be written
	greets atomic.Bool   // something was read
	odd    atomic.Bool   // it is no AMQP
	alert  atomic.Value  // the error of TLS, that came instead

	mu    sync.Mutex // held while the socket takes its time: only close is certain to be quick
	holds int
	buf   []byte
}

// enough is how much is held at most.
const enough = 64 << 10

// Write writes, or holds what is to be written.
func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken.Load() {
		return 0, net.ErrClosed
	}
	l.taken.Add(uint64(len(p)))
	if l.holds == 0 {
		l.gone.Store(l.taken.Load())
		return l.Conn.Write(p)
	}
	if l.buf = append(l.buf, p...); len(l.buf) < enough {
		return len(p), nil
	}
	return len(p), l.flush()
}

func (l *line) flush() error {
	if len(l.buf) == 0 {
		return nil
	}
	l.gone.Store(l.taken.Load())
	_, err := l.Conn.Write(l.buf)
	l.buf = l.buf[:0]
	if err != nil {
		l.broken.Store(true)
	}
	return err
}

// holding calls f, and writes at its end what was written meanwhile. After an error the
// connection is of no use, and the client does not know: it is cut.
func (l *line) holding(f func() error) error {
	l.mu.Lock()
	l.holds++
	l.mu.Unlock()
	err := f()
	if wrong := l.release(); wrong != nil {
		_ = l.Close()
		return wrong
	}
	return err
}

func (l *line) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holds--; l.holds > 0 {
		return nil
	}
	return l.flush()
}

// position is how much the client has written.
func (l *line) position() uint64 { return l.taken.Load() }

// passed reports whether anything behind the position can have reached the server.
func (l *line) passed(position uint64) bool { return l.gone.Load() > position }

// frameMethod begins the greeting of a server that speaks AMQP 0-9-1; one that speaks another
// AMQP names that.
const frameMethod = 1

// Read looks at the first byte, and fails where no AMQP server would send it.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if alert := (*net.OpError)(nil); n == 0 && errors.As(err, &alert) && alert.Op == remoteError {
		l.alert.Store(alert)
	}
	if n == 0 || l.greets.Swap(true) || p[0] == frameMethod || p[0] == 'A' {
		return n, err
	}
	l.odd.Store(true)
	return 0, fmt.Errorf("%w: it begins with %.20q", ErrNotAMQP, p[:n])
}

// remoteError is how crypto/tls calls what the other side says is wrong, such as that it does not
// accept our certificate. By then the handshake is over for us.
const remoteError = "remote error"

// silent is why the greeting did not come: what answers is odd, or nothing does.
func (l *line) silent() error {
	alert, _ := l.alert.Load().(error)
	switch {
	case l.odd.Load():
		return fmt.Errorf("%w: it speaks something else", ErrNotAMQP)
	case !l.greets.Load() && alert != nil:
		return fmt.Errorf("TLS: %w", alert)
	case !l.greets.Load():
		return fmt.Errorf("%w: it does not greet", ErrNotAMQP)
	}
	return nil
}
