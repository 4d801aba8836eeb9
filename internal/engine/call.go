package engine

import (
	"fmt"
	"sync"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// call is one Publish, or one move, on its way. It is used again once nobody refers to
// it: what a call takes would be most of what the collector has to do.
type call struct {
	events   []eventbus.DomainEvent // copies, complete
	messages []Message              // one for each
	fields   []wire.Field           // of the headers of all
	bound    boundedContext
	spent    bool    // others may refer to it yet
	payload  binding // that was looked up last

	parcels  []*parcel
	whole    parcel // the only one, where all messages are of one shard
	alarm    alarm
	outcomes outcomes
}

func (b *Bus) newCall() *call {
	if c, ok := b.calls.Get().(*call); ok {
		return c
	}
	return new(call)
}

// release makes the call ready for the next Publish.
func (b *Bus) release(c *call) {
	if c.spent || len(c.events) > rarely {
		return
	}
	if len(c.events) > 1 { // a single one is overwritten soon
		clear(c.messages)
		clear(c.fields)
		clear(c.events)
		clear(c.parcels)
	}
	b.calls.Put(c)
}

// parcel are the messages of one call for one shard.
type parcel struct {
	call     *call
	shard    *shard
	messages []Message
	index    []int // of each in the call; nil: the same
	credit   int64
	doubtful bool // something of it is not stored for certain: no more of it is sent
	known    bool // what became of it; guarded by outcomes.mu
}

// settle tells the call what became of the parcel: an error by index, or nothing. The
// call may be another one by the time that this returns.
func (p *parcel) settle(errs []error) {
	o := &p.call.outcomes
	o.mu.Lock()
	p.known = true
	last := false
	if !o.over {
		o.note(p, errs)
		o.left--
		last = o.left == 0
	}
	o.mu.Unlock()
	if last {
		o.done <- struct{}{}
	}
}

func (p *parcel) fail(err error) { p.settle(repeat(err, len(p.messages))) }

func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// outcomes collects what became of the parcels of one call.
type outcomes struct {
	done chan struct{} // gets one when all are known; it has room for that

	mu   sync.Mutex
	left int     // parcels
	errs []error // by message; nil: none failed
	over bool    // the caller has gone with another answer
}

// expect begins to wait for what becomes of the call's parcels.
func (c *call) expect() {
	o := &c.outcomes
	if o.done == nil {
		o.done = make(chan struct{}, 1)
	}
	o.left, o.errs = len(c.parcels), nil
}

// note adds the errors of a parcel. The lock is held.
func (o *outcomes) note(p *parcel, errs []error) {
	if len(errs) == 0 {
		return
	}
	if o.errs == nil {
		o.errs = make([]error, len(p.call.messages))
	}
	for i, err := range errs {
		if p.index != nil {
			i = p.index[i]
		}
		o.errs[i] = err
	}
}

// abandon answers unknown for what is still under way, by whose goroutine the call is
// then referred to.
func (c *call) abandon(why error) {
	o := &c.outcomes
	o.mu.Lock()
	defer o.mu.Unlock()
	c.spent, o.over = true, true
	for _, p := range c.parcels {
		if !p.known {
			o.note(p, repeat(fmt.Errorf("%w: %w", eventbus.ErrUnknown, why), len(p.messages)))
		}
	}
}
