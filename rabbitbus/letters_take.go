package rabbitbus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// unlockTime is for what is done when a call has failed, and its context may have ended.
const unlockTime = 5 * time.Second

// Take leases the letter to the caller, by the broker's clock.
func (s *letterStore) Take(ctx context.Context, id string, lease time.Duration) (dlq.Letter, error) {
	l, err := within(ctx, s, func(ctx context.Context) (dlq.Letter, error) { return s.take(ctx, id, lease) })
	if err != nil && err != dlq.ErrNotFound && err != dlq.ErrTaken { //nolint:errorlint // those of take, which say all
		err = s.failed(ctx, "take "+letterName(id), err)
	}
	return l, err
}

func (s *letterStore) take(ctx context.Context, id string, lease time.Duration) (dlq.Letter, error) {
	for range 10 {
		l, e, err := s.find(ctx, id)
		if err != nil {
			return dlq.Letter{}, err
		}
		held, err := s.lease(ctx, l.names.lease(id, e.born), lease)
		if errors.Is(err, errLetterLocked) {
			still, err := s.isStill(ctx, l, e, letterMoment{})
			if err == nil && still {
				err = dlq.ErrTaken
			}
			if err != nil {
				return dlq.Letter{}, err
			}
			continue // it has gone, and there may be another under its ID
		}
		if err != nil {
			return dlq.Letter{}, err
		}
		letter, still, err := s.takeHeld(ctx, l, e)
		if still && lease > 0 {
			s.keepLease(id, held)
			return letter, nil
		}
		err = errors.Join(err, s.unhold(ctx, held))
		if still || err != nil {
			return letter, err
		}
	}
	return dlq.Letter{}, errLetterUnsettled
}

// unhold ends a lease that is of no use.
func (s *letterStore) unhold(ctx context.Context, held letterLease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTime)
	defer cancel()
	return s.dropLease(ctx, held)
}

// takeHeld returns the letter that the caller has the lease of, if it is still there: what the
// holder before has removed is read, wherever it was written, since that was before the mark.
func (s *letterStore) takeHeld(ctx context.Context, l *letterLog, e letterHit) (letter dlq.Letter, still bool, err error) {
	var lines map[string]*letterline.Line
	var unread error
	var reading sync.WaitGroup
	reading.Go(func() { lines, unread = s.fetch(ctx, l, []letterHit{e}) }) // meanwhile, as it takes as long
	mark := letterRecordOf(letterMark, nil)
	forget := l.await(mark.MessageId)
	moment, err := s.write(ctx, l, mark)
	if err == nil {
		still, err = s.isStill(ctx, l, e, moment)
	}
	forget()
	reading.Wait()
	if err = errors.Join(err, unread); err != nil || !still || lines[e.id] == nil {
		return dlq.Letter{}, false, err
	}
	return lines[e.id].Complete(), true, nil
}

// isStill reports whether the letter is there.
func (s *letterStore) isStill(ctx context.Context, l *letterLog, e letterHit, m letterMoment) (still bool, err error) {
	err = s.viewPast(ctx, l, m, func(x *letterIndex) {
		now, ok := x.byID[e.id]
		still = ok && now.born == e.born
		s.tidy(l, x)
	})
	return still, err
}

// find returns where the letter is, as far as the indexes know or, if none does, as the
// streams say.
func (s *letterStore) find(ctx context.Context, id string) (*letterLog, letterHit, error) {
	logs, err := s.logsOf(ctx, &dlq.Filter{})
	if err != nil {
		return nil, letterHit{}, err
	}
	found, err := s.locate(ctx, logs, []string{id})
	if err != nil {
		return nil, letterHit{}, err
	}
	for l, hits := range found {
		return l, hits[0], nil
	}
	return nil, letterHit{}, dlq.ErrNotFound
}

// locate says which of the letters are where: those that an index knows may have gone.
func (s *letterStore) locate(ctx context.Context, logs []*letterLog, ids []string) (map[*letterLog][]letterHit, error) {
	found := map[*letterLog][]letterHit{}
	left := map[string]bool{}
	for _, id := range ids {
		left[id] = true
	}
	for _, look := range []func(context.Context, *letterLog, func(*letterIndex)) error{
		func(ctx context.Context, l *letterLog, do func(*letterIndex)) error { return l.known(ctx, do) },
		func(ctx context.Context, l *letterLog, do func(*letterIndex)) error {
			_, err := s.view(ctx, l, do)
			return err
		},
	} {
		for _, l := range logs {
			if len(left) == 0 {
				return found, nil
			}
			err := look(ctx, l, func(x *letterIndex) {
				for id := range left {
					if e, ok := x.byID[id]; ok {
						found[l] = append(found[l], e.hit())
						delete(left, id)
					}
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}
