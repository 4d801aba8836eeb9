package rabbitbus

import (
	"context"
	"errors"
	"maps"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// letterLease is a letter that this store has taken. On the broker it is a queue, which nobody
// can make a second time and which the broker deletes when the lease is over: by its clock
// alone, whoever lives.
type letterLease struct {
	name  string
	args  amqp.Table
	until time.Time // about when the broker deletes it
}

const longestLease = 1<<32 - 1 // milliseconds that the broker takes

// lease takes the lease, or returns errLetterLocked.
func (s *letterStore) lease(ctx context.Context, name string, d time.Duration) (letterLease, error) {
	ms := (max(d, time.Second/1000) + time.Millisecond - 1).Milliseconds()
	held := letterLease{name: name, args: s.holder(min(ms, longestLease)), until: time.Now().Add(d)}
	return held, s.declare(ctx, held)
}

func (s *letterStore) declare(ctx context.Context, held letterLease) error {
	return s.using(ctx, func(c *letterChannel) error {
		_, err := c.QueueDeclare(held.name, true, false, false, false, held.args)
		return taken(c.why(err))
	})
}

// keepLease notes that this store has taken the letter.
func (s *letterStore) keepLease(id string, l letterLease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); len(s.held) >= s.heldMost {
		maps.DeleteFunc(s.held, func(_ string, old letterLease) bool { return now.After(old.until) })
		s.heldMost = max(1000, 2*len(s.held))
	}
	s.held[id] = l
}

func (s *letterStore) popLease(id string) (letterLease, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.held[id]
	delete(s.held, id)
	return l, ok
}

// Release ends the lease of the letter if it is one of this store, and not one of another
// process, which may have taken the letter when the lease was over.
func (s *letterStore) Release(ctx context.Context, id string) error {
	_, err := within(ctx, s, func(ctx context.Context) (struct{}, error) {
		l, ok := s.popLease(id)
		if !ok {
			return struct{}{}, nil
		}
		return struct{}{}, s.endLease(ctx, l)
	})
	if err != nil {
		return s.failed(ctx, "release "+letterName(id), err)
	}
	return nil
}

// endLease deletes the lease, if it is still this one. Made again, it is this one or refused.
func (s *letterStore) endLease(ctx context.Context, l letterLease) error {
	err := s.declare(ctx, l)
	if errors.Is(err, errLetterLocked) {
		return nil
	}
	if err == nil {
		err = s.dropLease(ctx, l)
	}
	return err
}

func (s *letterStore) dropLease(ctx context.Context, l letterLease) error {
	return s.using(ctx, func(c *letterChannel) error {
		_, err := c.QueueDelete(l.name, false, false, false)
		return c.why(err)
	})
}

// dropLeases deletes those leases of letters that are gone which this store has. It neither
// waits for the broker nor fails: one that stays is no other letter's, and goes by itself.
func (s *letterStore) dropLeases(ctx context.Context, ids []string) {
	var over []letterLease
	for _, id := range ids {
		if l, ok := s.popLease(id); ok {
			over = append(over, l)
		}
	}
	if len(over) == 0 {
		return
	}
	_ = s.using(ctx, func(c *letterChannel) error {
		for _, l := range over {
			if _, err := c.QueueDelete(l.name, false, false, true); err != nil {
				return c.why(err)
			}
		}
		return nil
	})
}
