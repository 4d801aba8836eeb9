package fault

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	readSize = 16 << 10
	maxHeld  = 256 << 10 // bytes that a pipe holds back before the sender feels it
	maxQueue = 4096      // and chunks, should each be tiny
)

// pipe carries one direction of a connection: one goroutine reads, another writes
// when it is time, so that a delay does not become a bound on the throughput.
type pipe struct {
	from, to *net.TCPConn
	rules    *rules
	luck     *rand.Rand // used by the reader
	meter    meter      // used by the writer
	queue    chan chunk
	room     *semaphore.Weighted
	// came is told what was read, and returns what of it goes into the queue.
	came func(ctx context.Context, c chunk) []chunk
	// pass writes, or does not.
	pass func(c chunk, write func([]byte) error) error
	// ended is told of the end, in its turn.
	ended func(c chunk)
}

func newPipe(from, to *net.TCPConn, rules *rules, luck *rand.Rand) *pipe {
	return &pipe{
		from: from, to: to, rules: rules, luck: luck,
		queue: make(chan chunk, maxQueue), room: semaphore.NewWeighted(maxHeld),
	}
}

// read fills the queue until there is nothing more to read or the context ends.
func (p *pipe) read(ctx context.Context) {
	buf := make([]byte, readSize)
	for {
		n, err := p.from.Read(buf)
		now := time.Now()
		if n > 0 && !p.put(ctx, chunk{data: bytes.Clone(buf[:n]), came: now, luck: 2*p.luck.Float64() - 1}) {
			return
		}
		if err != nil {
			p.put(ctx, chunk{end: err, came: now})
			return
		}
	}
}

func (p *pipe) put(ctx context.Context, read chunk) bool {
	for _, c := range p.came(ctx, read) {
		if p.room.Acquire(ctx, int64(len(c.data))) != nil {
			return false
		}
		select {
		case p.queue <- c:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// write empties the queue until the end has come, writing fails, or the context ends.
func (p *pipe) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-p.queue:
			if p.turn(ctx, c) == nil {
				return
			}
			if c.end != nil || c.lost != nil {
				p.ended(c)
			}
			if c.end != nil {
				return
			}
			if err := p.pass(c, func(b []byte) error { return p.pieces(ctx, c, b) }); err != nil {
				p.ended(chunk{end: err})
				return
			}
			p.room.Release(int64(len(c.data)))
		}
	}
}

func (p *pipe) pieces(ctx context.Context, c chunk, b []byte) error {
	for len(b) > 0 {
		r := p.turn(ctx, c)
		if r == nil {
			return io.ErrClosedPipe
		}
		n := p.meter.piece(r, len(b))
		if _, err := p.to.Write(b[:n]); err != nil {
			return err
		}
		p.meter.spent(n)
		b = b[n:]
	}
	return nil
}

// turn waits until the chunk may go and returns the rule that says so; nil if the
// context ends first.
func (p *pipe) turn(ctx context.Context, c chunk) *rule {
	for {
		r := p.rules.now()
		p.meter.piece(r, 0) // a new rule forgets what the old one had still to wait for
		at := c.due(r)
		if p.meter.free.After(at) {
			at = p.meter.free
		}
		wait := time.Until(at)
		if !r.frozen && wait <= 0 {
			return r
		}
		if r.frozen {
			wait = 1<<63 - 1
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-r.changed:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}
