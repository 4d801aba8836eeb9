// Package keyed is the bare structure that an ordered bus in memory is measured
// against: a serial executor per key, and nothing else. It has no errors, no
// time-outs, no retries, no recovery and no telemetry, and so is a lower bound.
package keyed

import (
	"sync"
	"sync/atomic"
)

// Task is one value of one key.
type Task[T any] struct {
	Key   string
	Value T
}

// Executor runs tasks: those of one key one after another in the order of their
// submission, those of different keys on as many workers as there are. A key
// whose task takes long holds up no other key. Submit may be called concurrently.
type Executor[T any] struct {
	handle  func(Task[T])
	inbox   inbox[T]
	workers sync.WaitGroup

	_    [64]byte   // what follows belongs to the workers: not in the submitters' cache line
	mu   sync.Mutex // before inbox.mu
	work sync.Cond  // there is something to do, or nothing any more
	lanes[T]
	done    int // tasks finished since the credit was given back last
	drained []Task[T]
	closed  bool
	idle    atomic.Int32 // workers that wait; changed under mu, read without
}

// New starts an executor. At most credit tasks are queued or running at a time.
func New[T any](workers, credit int, handle func(Task[T])) *Executor[T] {
	e := &Executor[T]{handle: handle, lanes: lanes[T]{byKey: map[string]*lane[T]{}, keep: credit}}
	e.work.L = &e.mu
	e.inbox.credit = credit
	e.inbox.room.L = &e.inbox.mu
	for range workers {
		e.workers.Go(e.run)
	}
	return e
}

// Submit queues tasks in the order given; it waits while the credit is used up.
func (e *Executor[T]) Submit(tasks ...Task[T]) {
	for len(tasks) > 0 {
		n, untold := e.inbox.put(tasks)
		if untold && e.idle.Load() > 0 {
			e.mu.Lock() // a worker that counts as idle holds it until it waits
			e.work.Signal()
			e.mu.Unlock()
		}
		tasks = tasks[n:]
	}
}

// Close lets everything that was submitted finish, and ends the workers. It is
// called once, after the last Submit.
func (e *Executor[T]) Close() {
	e.mu.Lock()
	e.closed = true
	e.work.Broadcast()
	e.mu.Unlock()
	e.workers.Wait()
}

// run takes a lane with all that it has, runs it and puts it back: one lock for
// the end of one lane and the start of the next.
func (e *Executor[T]) run() {
	var taken []T
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		l := e.next()
		if l == nil {
			return
		}
		taken, l.tasks = l.tasks, taken[:0]
		e.mu.Unlock()
		for _, v := range taken {
			e.handle(Task[T]{Key: l.key, Value: v})
		}
		e.mu.Lock()
		e.finish(l, len(taken))
	}
}

// next waits for a lane that is ready. It returns nil once the executor is closed
// and empty; lanes that still run then are emptied by their own workers.
func (e *Executor[T]) next() *lane[T] {
	for {
		if e.ready.first == nil {
			e.drain()
		}
		if l := e.ready.pop(); l != nil {
			if e.ready.first != nil && e.idle.Load() > 0 {
				e.work.Signal() // workers wake one another, not the submitter all of them
			}
			return l
		}
		e.idle.Add(1)
		if !e.drain() { // once more: only now does a submitter see that it must signal
			if e.closed {
				e.idle.Add(-1)
				return nil
			}
			e.work.Wait()
		}
		e.idle.Add(-1)
	}
}

// drain moves the inbox into the lanes and reports whether there was anything.
func (e *Executor[T]) drain() bool {
	e.drained = e.inbox.take(e.drained, e.done)
	e.done = 0
	for i := range e.drained {
		e.put(&e.drained[i])
	}
	return len(e.drained) > 0
}

func (e *Executor[T]) finish(l *lane[T], n int) {
	e.lanes.finish(l)
	// Mostly drain gives the credit back; while all lanes are slow, this does.
	if e.done += n; e.done >= e.inbox.credit/4 {
		e.inbox.giveBack(e.done)
		e.done = 0
	}
}
