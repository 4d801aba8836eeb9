package rabbitbus

import (
	"context"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The letters of a group are in generations, each a stream and an exchange of the same name
// that leads to it. The current one is the only one that is written: a generation has ended
// when its exchange is gone, and then the exchange of the next one is there already. A
// number is never used again. There is the stream of one generation or, while it is being
// copied, of two.
//
// The pointer is a stream with numbers: its greatest is that of the current generation, or of
// the one before. It only says where to look. An exchange of its name says that it is there.
//
// Nobody reads a stream that an exchange does not speak for: the broker ends the connection of
// who begins to read one that is being made or deleted at the moment.

// letterState is what there is of a group's generations.
type letterState int

const (
	noLetters     letterState = iota // the group never had one
	brokenLetters                    // the current generation is half made, or somebody has deleted its exchange
	someLetters
)

// current returns the number of the current generation: of one that was it at some moment
// after the call.
func (s *letterStore) current(ctx context.Context, l *letterLog) (g uint64, is letterState, err error) {
	if g, ok := l.last(); ok {
		if at, ok, err := s.firstOf(ctx, l, g); ok || err != nil {
			return at, someLetters, err
		}
	}
	before, had := uint64(0), false
	for {
		p, ok, err := s.pointed(ctx, l)
		if err != nil || !ok {
			return 0, noLetters, err
		}
		if g, found, err := s.firstOf(ctx, l, p); found || err != nil {
			return g, someLetters, err
		}
		if had && p <= before { // it has not moved on meanwhile
			return p, brokenLetters, nil
		}
		before, had = p, true
	}
}

// firstOf returns the one of two generations that has an exchange, the older if both have.
func (s *letterStore) firstOf(ctx context.Context, l *letterLog, g uint64) (uint64, bool, error) {
	for _, n := range []uint64{g, g + 1} {
		ok, err := s.exchangeIs(ctx, l.names.generation(n))
		if err != nil {
			return 0, false, err
		}
		if ok {
			l.learn(n)
			return n, true, nil
		}
	}
	return 0, false, nil
}

func (s *letterStore) exchangeIs(ctx context.Context, name string) (bool, error) {
	return s.asked(ctx, func(c *letterChannel) error {
		return c.ExchangeDeclarePassive(name, amqp.ExchangeFanout, true, false, false, false, nil)
	})
}

func (s *letterStore) streamIs(ctx context.Context, name string) (bool, error) {
	return s.asked(ctx, func(c *letterChannel) error {
		_, err := c.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
}

// asked reports whether what is asked for is there.
func (s *letterStore) asked(ctx context.Context, ask func(c *letterChannel) error) (bool, error) {
	err := s.using(ctx, ask)
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

// pointed returns the greatest number of the pointer.
func (s *letterStore) pointed(ctx context.Context, l *letterLog) (g uint64, found bool, err error) {
	if found, err = s.exchangeIs(ctx, l.names.pointer()); err != nil || !found {
		return 0, false, err
	}
	err = s.scan(ctx, &letterScan{
		stream: l.names.pointer(), window: func() int { return mostLetterWindow }, silence: s.bounds.silence,
		visit: func(d *amqp.Delivery) error {
			n, err := strconv.ParseUint(string(d.Body), 10, 64)
			if err == nil && d.Type == letterNumber {
				g = max(g, n)
			}
			return nil
		},
	})
	return g, found, err
}

// found makes the first generation of a group, or repairs the current one.
func (s *letterStore) found(ctx context.Context, l *letterLog) error {
	return s.locked(ctx, l, func(c *letterChannel) error {
		g, is, err := s.current(ctx, l)
		if err != nil {
			return err
		}
		if err := c.makeGeneration(ctx, l.names, g); err != nil {
			return err
		}
		if is == noLetters {
			err = c.point(ctx, l.names, g)
		}
		if err == nil {
			l.learn(g)
		}
		return err
	})
}

// makeGeneration makes what is not there yet. The exchange comes last but for its binding: who
// sees it finds a stream with a record to read.
func (c *letterChannel) makeGeneration(ctx context.Context, names groupLetterNames, g uint64) error {
	name := names.generation(g)
	if err := c.makeStream(name); err != nil {
		return err
	}
	if err := c.publish(ctx, "", name, letterRecordOf(letterGenesis, nil)); err != nil {
		return err
	}
	if err := c.ExchangeDeclare(name, amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		return c.why(err)
	}
	return c.why(c.QueueBind(name, "", name, false, nil))
}

// point writes the number to the pointer, and then makes the exchange that says so.
func (c *letterChannel) point(ctx context.Context, names groupLetterNames, g uint64) error {
	if err := c.makeStream(names.pointer()); err != nil {
		return err
	}
	number := letterRecordOf(letterNumber, []byte(strconv.FormatUint(g, 10)))
	if err := c.publish(ctx, "", names.pointer(), number); err != nil {
		return err
	}
	return c.why(c.ExchangeDeclare(names.pointer(), amqp.ExchangeFanout, true, false, false, false, nil))
}

// makeStream makes a stream that keeps everything: its records are deleted by nothing but the
// end of their generation.
func (c *letterChannel) makeStream(name string) error {
	_, err := c.QueueDeclare(name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeStream})
	return c.why(err)
}
