package memory

import (
	"context"
)

// route are the queues that a message goes to, in the order of their making. That
// is also the order in which they are locked and in which room is taken, so that
// no two publishers wait for each other.
type route []*queue

func (r route) lock() {
	for _, q := range r {
		q.mu.Lock()
	}
}

func (r route) unlock() {
	for _, q := range r {
		q.mu.Unlock()
	}
}

// take takes room in all queues, or in none and returns one that is full. The
// caller holds the locks.
func (r route) take() (full *queue) {
	for _, q := range r {
		if !q.room.free() {
			return q
		}
	}
	for _, q := range r {
		q.room.taken++
	}
	return nil
}

// takeBeyond takes room in all queues, also where there is none, and reports
// whether that was so. The caller holds the locks.
func (r route) takeBeyond() (beyond bool) {
	for _, q := range r {
		beyond = beyond || !q.room.free()
		q.room.taken++
	}
	return beyond
}

// wait takes room in one queue after another, waiting in the line of each. It
// holds no lock meanwhile, only the room that it has taken already. When ctx or
// the sender ends first, it has taken none.
func (r route) wait(ctx context.Context, in *instance) error {
	for i, q := range r {
		if err := q.waitForRoom(ctx, in); err != nil {
			for _, q := range r[:i] {
				q.giveBackRoom()
			}
			return err
		}
	}
	return nil
}

func (q *queue) giveBackRoom() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.room.giveBack(1)
}

// waitForRoom takes room for one message.
func (q *queue) waitForRoom(ctx context.Context, in *instance) error {
	q.mu.Lock()
	if q.room.free() {
		q.room.taken++
		q.mu.Unlock()
		return nil
	}
	place, given := q.room.wait()
	q.mu.Unlock()

	var err error
	select {
	case <-given:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-in.ended:
		err = in.cause
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.room.leave(place, given)
	return q.full(err)
}

// full tells of a queue without room. The caller holds the lock.
func (q *queue) full(cause error) error {
	return &FullError{Group: q.name, Waiting: q.waiting(), Capacity: q.room.bound, Members: len(q.members), Err: cause}
}
