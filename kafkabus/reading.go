package kafkabus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/seed-28af575d/eventbus"
)

// readings are the connections by which records are read. kafka-go has others, but reads answers byte by byte, into
// some forty pieces of memory for each event.
type readings struct {
	client *client
	mu     sync.Mutex
	idle   map[string][]*reading // by address
	closed bool
}

// reading is a connection to a broker, for one fetch at a time.
type reading struct {
	net.Conn
	in    *bufio.Reader
	count int32 // of requests, by which answers are known
	since time.Time
}

const (
	// fetchVersion is the newest that kafka-go writes; brokers have it since 2.3.
	fetchVersion = 11
	// idleReading is after which a connection that nobody has used is closed.
	idleReading = 30 * time.Second
	// mostFetched is more than a broker answers with.
	mostFetched = 512 << 20
)

// answer is a broker's to a fetch.
type answer struct {
	code  int16
	parts []part
}

// part is what an answer has of a partition.
type part struct {
	place
	code  int16
	end   int64 // behind the last record of all
	batch []byte
}

// fetch asks the broker at the address.
func (c *client) fetch(ctx context.Context, addr string, request *fetch.Request) (*answer, error) {
	if c.closed.Load() {
		return nil, fmt.Errorf("%w: %w", errNotSent, eventbus.ErrClosed)
	}
	r, used, err := c.readings.take(ctx, addr)
	for err == nil {
		var got *answer
		if got, err = r.ask(ctx, request); err == nil {
			c.readings.put(addr, r)
			return got, nil
		}
		_ = r.Close()
		if !used || ctx.Err() != nil {
			break
		}
		r, used, err = c.readings.take(ctx, addr) // the broker may have closed it meanwhile, and others with it
	}
	if c.closed.Load() {
		err = fmt.Errorf("%w: %w", eventbus.ErrClosed, err)
	}
	return nil, err
}

// take returns a connection, and whether it was used before.
func (s *readings) take(ctx context.Context, addr string) (r *reading, used bool, err error) {
	s.mu.Lock()
	if idle := s.idle[addr]; len(idle) > 0 {
		r = idle[len(idle)-1]
		s.idle[addr] = idle[:len(idle)-1]
	}
	s.mu.Unlock()
	if r != nil {
		return r, true, nil
	}
	c, err := s.client.transport.secure.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, false, err
	}
	return &reading{Conn: c, in: bufio.NewReader(c)}, false, nil
}

// put keeps a connection for the next fetch, and closes what was not used for long.
func (s *readings) put(addr string, r *reading) {
	now := time.Now()
	r.since = now
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = r.Close()
		return
	}
	if s.idle == nil {
		s.idle = map[string][]*reading{}
	}
	s.idle[addr] = append(s.idle[addr], r)
	for addr, of := range s.idle { // what was used last is taken first
		for len(of) > 0 && now.Sub(of[0].since) > idleReading {
			_ = of[0].Close()
			of = of[1:]
		}
		if s.idle[addr] = of; len(of) == 0 {
			delete(s.idle, addr)
		}
	}
}

// close closes those that are idle, and the others when they are.
func (s *readings) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, of := range s.idle {
		for _, r := range of {
			_ = r.Close()
		}
	}
	s.idle = nil
}

// ask sends a request and returns the answer. After an error the connection is of no use.
func (r *reading) ask(ctx context.Context, request *fetch.Request) (*answer, error) {
	deadline, _ := ctx.Deadline()
	if err := r.SetDeadline(deadline); err != nil {
		return nil, err
	}
	release := context.AfterFunc(ctx, func() { _ = r.SetDeadline(time.Unix(1, 0)) })
	got, err := r.exchange(request)
	if !release() && err == nil {
		err = ctx.Err() // the deadline may be set at any time
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return got, err
}

func (r *reading) exchange(request *fetch.Request) (*answer, error) {
	r.count++
	if err := protocol.WriteRequest(r, fetchVersion, r.count, clientID, request); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return nil, err
	}
	h := reader{rest: head[:]}
	n, id := h.int32()-4, h.int32()
	if n < 0 || n > mostFetched || id != r.count {
		return nil, fmt.Errorf("%w: %d bytes to request %d, which was %d", errAnswer, n, id, r.count)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r.in, data); err != nil {
		return nil, err
	}
	return readAnswer(data)
}

var errAnswer = errors.New("the answer of a broker cannot be read")

// readAnswer reads that to a fetch (Kafka protocol, Fetch Response of version 11).
func readAnswer(data []byte) (*answer, error) {
	r := reader{rest: data}
	r.int32() // for how long the client was slowed down
	a := &answer{code: r.int16()}
	r.int32() // session
	for n := r.int32(); n > 0 && !r.short; n-- {
		topic := string(r.bytes(int64(r.int16())))
		for n := r.int32(); n > 0 && !r.short; n-- {
			p := part{place: place{topic, r.int32()}, code: r.int16(), end: r.int64()}
			r.bytes(16) // where what is stable ends, and where the log begins
			for n := r.int32(); n > 0 && !r.short; n-- {
				r.bytes(16) // an aborted transaction
			}
			r.int32() // replica to read from
			if n := r.int32(); n > 0 {
				p.batch = r.bytes(int64(n))
			}
			if r.short { // and so would be all that comes
				return nil, errAnswer
			}
			a.parts = append(a.parts, p)
		}
	}
	if r.short {
		return nil, errAnswer
	}
	return a, nil
}

// leader is the address of the broker that leads a partition.
func (c *client) leader(ctx context.Context, at place) (string, error) {
	m, err := c.api.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{at.topic}})
	if err != nil {
		return "", err
	}
	for i := range m.Topics {
		if t := &m.Topics[i]; t.Name == at.topic {
			if t.Error != nil {
				return "", t.Error
			}
			for j := range t.Partitions {
				if p := &t.Partitions[j]; p.ID == int(at.partition) && p.Leader.Host != "" {
					return addressOf(p.Leader), nil
				}
			}
			return "", kafka.LeaderNotAvailable
		}
	}
	return "", kafka.UnknownTopicOrPartition
}

func addressOf(b kafka.Broker) string { return net.JoinHostPort(b.Host, fmt.Sprint(b.Port)) }
