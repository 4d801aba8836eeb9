package rabbitbus

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// tidy begins a compaction if most records are of no use. It goes on when the call has ended,
// until the store is closed. A compaction that was not finished is gone on with by the next.
func (s *letterStore) tidy(l *letterLog, x *letterIndex) {
	if g := x.garbage(); g < s.bounds.garbage || g < len(x.byID) || !l.busy.CompareAndSwap(false, true) {
		return
	}
	if !s.enter() {
		l.busy.Store(false)
		return
	}
	go func() {
		defer s.running.Done()
		defer l.busy.Store(false)
		err := s.compact(s.life, l)
		if err != nil && !errors.Is(err, errLetterLocked) && s.life.Err() == nil {
			s.logger.Warn("rabbitbus: dead letters could not be compacted; nothing is lost, and the next removal tries again", "group", l.group, "error", err)
		}
	}()
}

// compact begins a new generation, writes the letters of the old one to it and deletes that.
// It returns errLetterLocked if another caller does so.
//
// None is lost: a record in the old generation is safe there only if its exchange was there
// after its confirmation, and so it stands before the mark that is written when the exchange
// is gone. What is read up to the mark is copied; and what removes a letter meanwhile is in
// the new generation and ends the copy too, whichever comes first.
func (s *letterStore) compact(ctx context.Context, l *letterLog) error {
	return s.tryLocked(ctx, l, func(c *letterChannel) error {
		g, is, err := s.current(ctx, l)
		if err != nil || is != someLetters {
			return err
		}
		unfinished, err := s.isCopied(ctx, l, g)
		if err != nil {
			return err
		}
		if !unfinished {
			if err := c.endGeneration(ctx, l.names, g); err != nil {
				return err
			}
			g++
		}
		if err := c.point(ctx, l.names, g); err != nil {
			return err
		}
		return s.carryOver(ctx, l, g-1)
	})
}

// endGeneration makes the next generation, and then ends this one.
func (c *letterChannel) endGeneration(ctx context.Context, names groupLetterNames, g uint64) error {
	if g > 0 { // what a compaction has left that was done but for this
		if err := c.ExchangeDelete(names.copying(g), false, false); err != nil {
			return c.why(err)
		}
		if _, err := c.QueueDelete(names.generation(g-1), false, false, false); err != nil {
			return c.why(err)
		}
	}
	if err := c.makeGeneration(ctx, names, g+1); err != nil {
		return err
	}
	if err := c.ExchangeDeclare(names.copying(g+1), amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		return c.why(err)
	}
	return c.why(c.ExchangeDelete(names.generation(g), false, false))
}

// carryOver copies what is left of a generation that has ended, and deletes it.
func (s *letterStore) carryOver(ctx context.Context, l *letterLog, old uint64) error {
	// A node of a cluster may not know yet that the exchange is gone, and confirm what it
	// takes for safe: that is done within this time.
	if !pause(ctx, s.bounds.settle) {
		return ctx.Err()
	}
	own := s.newLog(l.group)
	own.learn(old + 1)
	if err := s.readPastEnd(ctx, own, old); err != nil {
		return err
	}
	if err := s.copyAll(ctx, own, old); err != nil {
		return err
	}
	return s.using(ctx, func(c *letterChannel) error {
		if err := c.ExchangeDelete(own.names.copying(old+1), false, false); err != nil {
			return c.why(err)
		}
		if !pause(ctx, s.bounds.grace) {
			return ctx.Err()
		}
		_, err := c.QueueDelete(own.names.generation(old), false, false, false)
		return c.why(err)
	})
}

// readPastEnd reads the old generation up to a mark of our own, and the new one.
func (s *letterStore) readPastEnd(ctx context.Context, l *letterLog, old uint64) error {
	mark := letterRecordOf(letterMark, nil)
	forget := l.await(mark.MessageId)
	defer forget()
	err := s.using(ctx, func(c *letterChannel) error { return c.publish(ctx, "", l.names.generation(old), mark) })
	if err != nil {
		return err
	}
	err = s.viewPast(ctx, l, letterMoment{nonce: mark.MessageId, generation: old}, func(*letterIndex) {})
	if err == nil && (len(l.read) == 0 || l.read[0].generation != old) {
		err = fmt.Errorf("%w: %s", errLetterGone, l.names.generation(old))
	}
	return err
}

// copyAll writes the letters that stand in the old generation to the next one, and to that
// alone: if it has ended too, the copies would be written behind removals that are forgotten.
func (s *letterStore) copyAll(ctx context.Context, l *letterLog, old uint64) error {
	next := l.names.generation(old + 1)
	return s.using(ctx, func(c *letterChannel) error {
		b := &letterBatch{channel: c, exchange: next, most: s.bounds.bytes}
		err := s.scan(ctx, &letterScan{
			stream: l.names.generation(old), silence: s.bounds.silence,
			window: func() int { return s.bounds.window(l.index.records, l.index.bytes) },
			visit: func(d *amqp.Delivery) error {
				if p, ok := carried(l.index, letterPlace{old, offsetOf(d)}, d); ok {
					return b.add(ctx, p)
				}
				return nil
			},
		})
		if err == nil {
			err = b.flush(ctx)
		}
		if err != nil {
			return err
		}
		return sealed(c.why(c.ExchangeDeclarePassive(next, amqp.ExchangeFanout, true, false, false, false, nil)), next)
	})
}

// carried is the record that is to be written again for this one, if it is one: a letter that
// is there and not copied yet, or what this program cannot read.
func carried(x *letterIndex, at letterPlace, d *amqp.Delivery) (amqp.Publishing, bool) {
	switch d.Type {
	case letterRemoved, letterMark, letterGenesis, letterNumber:
		return amqp.Publishing{}, false
	case letterKept:
		r, err := parseLetterRecord(at.generation, d)
		if err == nil {
			e, ok := x.byID[r.entry.ID]
			if !ok || e.place != at {
				return amqp.Publishing{}, false
			}
			return copyOf(e, d), true
		}
	}
	p := letterRecordOf(d.Type, d.Body)
	p.Headers = d.Headers
	return p, true
}

// letterBatch writes many records, of which some are under way.
type letterBatch struct {
	channel  *letterChannel
	exchange string
	most     int // bytes
	bytes    int
	waiting  []*amqp.DeferredConfirmation
}

func (b *letterBatch) add(ctx context.Context, p amqp.Publishing) error {
	if len(b.waiting) == maxUnconfirmed || b.bytes > b.most {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	confirm, err := b.channel.PublishWithDeferredConfirm(b.exchange, "", true, false, p)
	if err != nil {
		return sealed(b.channel.why(err), b.exchange)
	}
	b.waiting, b.bytes = append(b.waiting, confirm), b.bytes+len(p.Body)
	return nil
}

// flush waits until all are confirmed.
func (b *letterBatch) flush(ctx context.Context) error {
	for _, confirm := range b.waiting {
		if err := b.channel.confirmed(ctx, confirm); err != nil {
			return sealed(err, b.exchange)
		}
	}
	b.waiting, b.bytes = b.waiting[:0], 0
	return nil
}
