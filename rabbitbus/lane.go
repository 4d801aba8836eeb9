package rabbitbus

import (
	"context"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// lanes is over how many channels what is published is spread. Each confirms in its own
// time; more of them cost the server more than they gain.
const lanes = 3

// lane is a channel for publishing. What the server confirms it tells each message; what it
// returns comes before that, and is kept until the message's sender asks.
type lane struct {
	ch    *amqp.Channel
	ends  <-chan *amqp.Error
	flush chan chan struct{}
	over  chan struct{} // closed when nothing is returned any more

	mu       sync.Mutex
	senders  int
	returned map[string]*amqp.Return // by place
	why      error                   // what the server has closed it for
}

// lane returns the channel for a shard, which is opened if it is not there.
func (c *conn) lane(ctx context.Context, shard uint32) (*lane, error) {
	c.mu.Lock()
	l := c.lanes[shard]
	c.mu.Unlock()
	if l != nil && !l.ch.IsClosed() {
		return l, nil
	}
	ch, err := c.open(ctx)
	if err == nil {
		err = c.ask(ctx, func() error { return ch.Confirm(false) })
	}
	if err != nil {
		return nil, err
	}
	return c.keep(shard, ch)
}

// keep makes the lane of a channel, unless somebody was faster.
func (c *conn) keep(shard uint32, ch *amqp.Channel) (*lane, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, errOver
	}
	if l := c.lanes[shard]; l != nil && !l.ch.IsClosed() {
		c.own.Go(func() { _ = ch.Close() })
		return l, nil
	}
	l := &lane{
		ch: ch, ends: ch.NotifyClose(make(chan *amqp.Error, 1)),
		flush: make(chan chan struct{}), over: make(chan struct{}), returned: map[string]*amqp.Return{},
	}
	c.lanes[shard] = l
	returns := ch.NotifyReturn(make(chan amqp.Return, 256))
	c.own.Go(func() { l.drain(returns) })
	return l, nil
}

// drain takes what is returned, at once: the client waits for whoever does not. Asked to flush,
// it takes what is there first; as the client hands over a return before the confirm that
// follows it, nothing is missed by whoever has seen the confirm.
func (l *lane) drain(returns <-chan amqp.Return) {
	defer close(l.over)
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				return
			}
			l.note(r)
		case done := <-l.flush:
			for empty := false; !empty; {
				select {
				case r, ok := <-returns:
					if empty = !ok; ok {
						l.note(r)
					}
				default:
					empty = true
				}
			}
			close(done)
		}
	}
}

func (l *lane) note(r amqp.Return) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if place, ok := r.Headers[placeHeader].(string); ok && l.senders > 0 {
		r.Body, r.Headers = nil, nil
		l.returned[place] = &r
	}
}

// enter begins a Send, leave ends it: without any, nobody will ask for what is returned.
func (l *lane) enter() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.senders++
}

func (l *lane) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.senders--; l.senders == 0 {
		clear(l.returned)
	}
}

// settle waits until everything is noted that was returned before the confirms that were
// seen.
func (l *lane) settle() {
	done := make(chan struct{})
	select {
	case l.flush <- done:
		select {
		case <-done:
		case <-l.over:
		}
	case <-l.over:
	}
}

// bounced says why a message was returned, or nil.
func (l *lane) bounced(place string) *amqp.Return {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.returned[place]
	delete(l.returned, place)
	return r
}

// end is why the channel is closed, or nil where nobody has said.
func (l *lane) end() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case err := <-l.ends:
		if err != nil {
			l.why = err
		}
	default:
	}
	return l.why
}
