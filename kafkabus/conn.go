package kafkabus

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
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
	raw      net.Conn    // below the encryption
	until    time.Time   // by when it is not to be used any more; zero: never
	begun    atomic.Bool // of the request
	produces atomic.Bool // or is not a request that stores anything
	heard    atomic.Bool
}

// storing is the key of requests that store records (Kafka protocol, API keys).
const storing = 0

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
	if !c.begun.Load() && !c.until.IsZero() && time.Now().After(c.until) {
		return 0, fmt.Errorf("%w: %w with %s", errNotSent, errSessionEnds, c.RemoteAddr())
	}
	if _, encrypted := c.Conn.(*tls.Conn); !c.begun.Load() && hungUp(c.raw, encrypted) {
		return 0, fmt.Errorf("%w: the broker has closed the connection to %s", errNotSent, c.RemoteAddr())
	}
	if !c.begun.Load() && len(p) >= 6 { // length, and then the key of the request
		c.produces.Store(binary.BigEndian.Uint16(p[4:]) == storing)
	}
	n, err := c.Conn.Write(p)
	if err != nil && n == 0 && !c.begun.Load() {
		return 0, fmt.Errorf("%w: %w", errNotSent, err)
	}
	if n > 0 {
		c.begun.Store(true)
	}
	return n, err
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && n == 0 && !c.produces.Load() { // as when a broker goes while it is being asked for its picture
		return 0, fmt.Errorf("%w: %w", errNotSent, err)
	}
	if !c.heard.Load() && n > 1 && p[0] == alertRecord && p[1] == 3 {
		return 0, &alertError{}
	}
	if n > 0 {
		c.heard.Store(true)
		c.begun.Store(false) // what is written next is another request
	}
	return n, err
}
