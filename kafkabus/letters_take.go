package kafkabus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// letterHeld is a letter that this store has taken: by a claim in the log.
type letterHeld struct {
	log   *letterLog
	key   string
	until time.Time // about when the lease is over
}

// Take leases the letter to the caller, by the broker's clock. A lease is half an hour at most.
func (s *letterStore) Take(ctx context.Context, id string, lease time.Duration) (dlq.Letter, error) {
	l, err := s.takeOne(ctx, id, lease)
	if err != nil && err != dlq.ErrNotFound && err != dlq.ErrTaken { //nolint:errorlint // those of takeOne, which say all
		err = s.failed(ctx, "take "+letterName(id), err)
	}
	return l, err
}

func (s *letterStore) takeOne(ctx context.Context, id string, lease time.Duration) (dlq.Letter, error) {
	if err := s.open(ctx); err != nil {
		return dlq.Letter{}, err
	}
	if most := s.longestLease(); lease > most {
		return dlq.Letter{}, &eventbus.ValidationError{Field: "lease", Rule: "must be at most " + most.String(), Value: lease.String()}
	}
	for range 10 {
		l, err := s.find(ctx, id)
		if err != nil {
			return dlq.Letter{}, err
		}
		letter, err := s.takeFrom(ctx, l, id, lease)
		if !errors.Is(err, errLetterMoved) && !errors.Is(err, errLettersMissing) {
			return letter, err
		}
		if err := s.view(ctx, l, func(*letterIndex) {}); err != nil { // or the index would say the same again
			return dlq.Letter{}, err
		}
	}
	return dlq.Letter{}, errLettersUnsettled
}

// longestLease is such that whoever reads finds every claim that may be under way.
func (s *letterStore) longestLease() time.Duration { return max(s.bounds.lag/2, time.Minute) }

// takeFrom takes a letter of one group. The error is errLetterMoved if there is no such letter now.
func (s *letterStore) takeFrom(ctx context.Context, l *letterLog, id string, lease time.Duration) (letter dlq.Letter, err error) {
	least, most, err := s.clockNow(ctx, l)
	if err != nil {
		return letter, err
	}
	asked := time.Now()
	found, over, err := s.free(ctx, l, id, least)
	if err != nil {
		return letter, err
	}
	if lease <= 0 { // it is only looked at
		return s.get(ctx, l, found)
	}
	claim := letterHeld{log: l, key: claimKey(id, s.owner+strconv.FormatUint(s.takes.Add(1), 10)), until: asked.Add(lease)}
	value, err := json.Marshal(letterClaim{At: least.UnixNano(), Until: most.Add(lease).UnixNano()})
	if err != nil {
		return letter, err
	}
	p, _, err := s.insist(ctx, l, append(tombs(over), record{key: []byte(claim.key), value: value})...)
	if errors.Is(err, eventbus.ErrUnknown) {
		s.dropLater(claim)
	}
	if err != nil {
		return letter, err
	}
	if letter, err = s.won(ctx, claim, id); err == nil && p.stored.After(most.Add(time.Since(asked))) {
		err = fmt.Errorf("%w: the broker's clock has moved", errLetterMoved)
	}
	if err != nil {
		s.unhold(ctx, claim)
		return dlq.Letter{}, err
	}
	s.hold(id, claim)
	return letter, nil
}

// free returns where the letter is, if it is there and nobody holds it, and keys of claims that are
// of no use to anybody.
func (s *letterStore) free(ctx context.Context, l *letterLog, id string, at time.Time) (found letterHit, over []string, err error) {
	state := errLetterMoved
	err = s.view(ctx, l, func(x *letterIndex) {
		if e, ok := x.byID[id]; ok {
			found, state = e.hit(), nil
		}
		if x.holder(id, at.UnixNano()) != "" {
			state = dlq.ErrTaken
		}
		over = x.over(at.UnixNano(), s.bounds.batch/2)
	})
	if err == nil {
		err = state
	}
	return found, over, err
}

// won returns the letter if the claim has it: what stands before the claim in the log was read.
func (s *letterStore) won(ctx context.Context, claim letterHeld, id string) (dlq.Letter, error) {
	var found letterHit
	state := errLetterMoved
	err := s.view(ctx, claim.log, func(x *letterIndex) {
		e, ok := x.byID[id]
		switch cs := x.claims[id]; {
		case ok && cs != nil && cs.holder == claim.key:
			found, state = e.hit(), nil
		case ok:
			state = dlq.ErrTaken
		}
	})
	if err == nil {
		err = state
	}
	if err != nil {
		return dlq.Letter{}, err
	}
	return s.get(ctx, claim.log, found)
}

// get reads one letter.
func (s *letterStore) get(ctx context.Context, l *letterLog, at letterHit) (dlq.Letter, error) {
	lines, err := s.fetch(ctx, l, []letterHit{at})
	if err != nil {
		return dlq.Letter{}, err
	}
	if lines[at.id] == nil {
		return dlq.Letter{}, errLetterMoved
	}
	return lines[at.id].Complete(), nil
}

// Release ends the lease of the letter if it is one of this store, and not one of another
// process, which may have taken the letter when the lease was over.
func (s *letterStore) Release(ctx context.Context, id string) error {
	err := s.open(ctx)
	if err == nil {
		if claim, ok := s.let(id); ok {
			err = s.drop(ctx, claim)
		}
	}
	if err != nil {
		return s.failed(ctx, "release "+letterName(id), err)
	}
	return nil
}

// drop ends a claim.
func (s *letterStore) drop(ctx context.Context, claim letterHeld) error {
	_, _, err := s.insist(ctx, claim.log, tombs([]string{claim.key})...)
	if errors.Is(err, errLettersMissing) {
		return nil
	}
	return err
}

// unhold ends a claim that is of no use: at once, or later if the call has ended.
func (s *letterStore) unhold(ctx context.Context, claim letterHeld) {
	if ctx.Err() != nil || s.drop(ctx, claim) != nil {
		s.dropLater(claim)
	}
}

// dropLater ends a claim that is of no use, in the background: the caller does not wait for it. One
// that stays ends by itself.
func (s *letterStore) dropLater(claim letterHeld) {
	s.later(func(ctx context.Context) { _ = s.drop(ctx, claim) })
}

// hold notes that this store has taken the letter.
func (s *letterStore) hold(id string, claim letterHeld) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); len(s.held) >= s.heldMost {
		maps.DeleteFunc(s.held, func(_ string, old letterHeld) bool { return now.After(old.until) })
		s.heldMost = max(1000, 2*len(s.held))
	}
	s.held[id] = claim
}

func (s *letterStore) let(id string) (letterHeld, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	claim, ok := s.held[id]
	delete(s.held, id)
	return claim, ok
}

// tombs are records that end what stands under the keys.
func tombs(keys []string) (rs []record) {
	for _, key := range keys {
		rs = append(rs, record{key: []byte(key)})
	}
	return rs
}
