package kafkabus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// errNotSent is that of a connection over which the request has not begun to go.
var errNotSent = errors.New("not sent")

// errSessionEnds is that of a connection whose authentication the broker is about to forget.
var errSessionEnds = errors.New("the session ends")

// conn carries one request at a time, and its answer. kafka-go keeps connections for later, and does not
// look whether the broker has closed them meanwhile: a request that is written to such a one is gone, and
// its fate unknown to whoever does not look first.
type conn struct {
	net.Conn
	raw   net.Conn  // below the encryption
	until time.Time // by when it is not to be used any more; zero: never
	begun bool      // of the request; written to and read by one goroutine at a time
	heard bool
}

// lasts bounds the use of a connection whose authentication the broker forgets after so long, below 0
// or zero never: kafka-go does not repeat it, and who asks thereafter is hung up on.
func (c *conn) lasts(session time.Duration) {
	if session > 0 {
		c.until = time.Now().Add(session - session/5)
	}
}

// alertError is that of a broker that was expected to speak Kafka, and speaks TLS.
type alertError struct{}

func (*alertError) Error() string { return "it answers with an alert of TLS" }

const (
	alertRecord = 0x15 // of TLS, that begins with its kind and 3
	dataRecord  = 0x17
	recordHead  = 5
	sealedAlert = 19 // the length of an alert in TLS 1.3, where it looks like data
)

func (c *conn) Write(p []byte) (int, error) {
	if !c.begun && !c.until.IsZero() && time.Now().After(c.until) {
		return 0, fmt.Errorf("%w: %w with %s", errNotSent, errSessionEnds, c.RemoteAddr())
	}
	if _, encrypted := c.Conn.(*tls.Conn); !c.begun && hungUp(c.raw, encrypted) {
		return 0, fmt.Errorf("%w: the broker has closed the connection to %s", errNotSent, c.RemoteAddr())
	}
	n, err := c.Conn.Write(p)
	if err != nil && n == 0 && !c.begun {
		return 0, fmt.Errorf("%w: %w", errNotSent, err)
	}
	c.begun = c.begun || n > 0
	return n, err
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.heard && n > 1 && p[0] == alertRecord && p[1] == 3 {
		return 0, &alertError{}
	}
	if n > 0 {
		c.heard = true
		c.begun = false // what is written next is another request
	}
	return n, err
}

// hungUp reports whether the other side has closed the connection, as far as it is known here. Nothing
// but an alert comes between an answer and the next request: where that is encrypted, its size tells.
func hungUp(c net.Conn, encrypted bool) (over bool) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		var head [recordHead]byte
		n, _, err := syscall.Recvfrom(int(fd), head[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		over = n == 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
		over = over || encrypted && n == recordHead && isAlert(head)
	})
	return over || err != nil
}

func isAlert(head [recordHead]byte) bool {
	return head[0] == alertRecord || head[0] == dataRecord && head[3] == 0 && head[4] == sealedAlert
}
