package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// write stores records in the log, all or none, and waits for a leader where there is none. Where the
// topic is not there it calls missing. An error that matches eventbus.ErrUnknown means that they may be stored.
func (s *letterStore) write(ctx context.Context, l *letterLog, missing whenMissing, rs ...record) (*portion, error) {
	batch, err := s.client.pack(rs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", eventbus.ErrRefused, err)
	}
	for began := time.Now(); ; {
		if err := s.ready(ctx, l, missing); err != nil {
			return nil, err
		}
		p := &portion{topic: l.topic, batch: batch}
		sent := time.Now()
		err := s.client.write(ctx, []*portion{p})
		if err == nil {
			err = p.err
		}
		if err == nil {
			if !p.stored.IsZero() {
				l.clock.learn(p.stored, sent, time.Now())
			}
			return p, nil
		}
		if absent(err) {
			l.good.Store(false) // it is looked for again
		}
		known := outcome(err)
		if !errors.Is(known, engine.ErrNotStored) || !s.soon(ctx, began) {
			return p, known
		}
		_ = s.client.refresh(ctx) // the writing says what is wrong
	}
}

// insist is write, and writes again what may be stored: claims and what ends something are the same
// twice. It reports whether it has.
func (s *letterStore) insist(ctx context.Context, l *letterLog, rs ...record) (p *portion, twice bool, err error) {
	twice, err = s.untilKnown(ctx, func() (err error) {
		p, err = s.write(ctx, l, none, rs...)
		return err
	})
	return p, twice, err
}

// untilKnown does again what may be done, for a while, and reports whether it has. What may be done
// stays unknown if it fails in another way later.
func (s *letterStore) untilKnown(ctx context.Context, do func() error) (again bool, err error) {
	for began := time.Now(); ; again = true {
		err = do()
		unknown := errors.Is(err, eventbus.ErrUnknown)
		if err != nil && again && !unknown {
			err = fmt.Errorf("%w: %w", eventbus.ErrUnknown, err)
			unknown = !errors.Is(err, errLettersMissing)
		}
		if !unknown || !s.soon(ctx, began) {
			return again, err
		}
	}
}

// soon waits a moment before something that has failed is tried again, unless it has been tried for long.
func (s *letterStore) soon(ctx context.Context, began time.Time) bool {
	return ctx.Err() == nil && time.Since(began) < s.bounds.patience && pause(ctx, moment)
}

// moment is long enough for a leader that is just being chosen.
const moment = 10 * time.Millisecond

// clockNow is between what times the broker's clock stands. If that is not known, something is
// written that no reader heeds, since the broker tells its time for nothing else.
func (s *letterStore) clockNow(ctx context.Context, l *letterLog) (least, most time.Time, err error) {
	for range 2 {
		var known bool
		if least, most, known = l.clock.span(); known {
			return least, most, nil
		}
		if _, _, err := s.insist(ctx, l, record{key: []byte(claimKey("", s.owner))}); err != nil {
			return least, most, err
		}
	}
	return least, most, errNoClock
}

var errNoClock = errors.New("the broker does not say what time it is: the topic of the letters needs message.timestamp.type=LogAppendTime")
