package keyed

import "sync"

// inbox is where submitters leave tasks. It has a lock of its own, held for an
// append, so that submitters and workers hardly meet.
type inbox[T any] struct {
	mu      sync.Mutex
	room    sync.Cond // half of the credit has come back
	tasks   []Task[T]
	credit  int
	queued  int // tasks submitted whose credit has not come back
	waiting int // submitters
}

// put waits for room and appends as many tasks as there is credit for. untold
// reports that the inbox was empty: no worker may know of them.
func (b *inbox[T]) put(tasks []Task[T]) (n int, untold bool) {
	b.mu.Lock()
	for b.queued >= b.credit {
		b.waiting++
		b.room.Wait()
		b.waiting--
	}
	n = min(len(tasks), b.credit-b.queued)
	untold = len(b.tasks) == 0
	for i := range n { // mostly one, for which appending the slice takes 10 ns more
		b.tasks = append(b.tasks, tasks[i])
	}
	b.queued += n
	b.mu.Unlock()
	return n, untold
}

// take gives done tasks' credit back and returns all that waits, in exchange for
// the slice that was taken last, which is overwritten.
func (b *inbox[T]) take(last []Task[T], done int) []Task[T] {
	clear(last) // keys and values must not be kept alive
	b.mu.Lock()
	taken := b.tasks
	b.tasks = last[:0]
	b.release(done)
	b.mu.Unlock()
	return taken
}

func (b *inbox[T]) giveBack(done int) {
	b.mu.Lock()
	b.release(done)
	b.mu.Unlock()
}

// release wakes submitters only when half of the credit is there: waking one for
// every task would cost more than the task.
func (b *inbox[T]) release(done int) {
	b.queued -= done
	if b.waiting > 0 && b.queued <= b.credit/2 {
		b.room.Broadcast()
	}
}
