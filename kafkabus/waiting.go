package kafkabus

import (
	"container/heap"
	"time"
)

// waiting are records that are not due yet, the earliest first.
type waiting struct{ heap waitingHeap }

type waitingRecord struct {
	due time.Time
	record
}

func (w *waiting) len() int { return len(w.heap) }

func (w *waiting) first() time.Time { return w.heap[0].due }

func (w *waiting) push(r *record, due time.Time) { heap.Push(&w.heap, waitingRecord{due, r.own()}) }

func (w *waiting) pop() record {
	x, _ := heap.Pop(&w.heap).(waitingRecord)
	return x.record
}

// waitingHeap keeps what is due at once in the order of the log.
type waitingHeap []waitingRecord

func (h waitingHeap) Len() int { return len(h) }

func (h waitingHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].offset < h[j].offset
	}
	return h[i].due.Before(h[j].due)
}

func (h waitingHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *waitingHeap) Push(x any) {
	r, _ := x.(waitingRecord)
	*h = append(*h, r)
}

func (h *waitingHeap) Pop() any {
	old := *h
	n := len(old) - 1
	x := old[n]
	old[n] = waitingRecord{}
	*h = old[:n]
	return x
}

// dueOf is the earliest time of a retry.
func dueOf(r *record) time.Time { return milli(r.header.get(dueHeader)) }

// size is about what a record takes in memory.
func (r *record) size() int { return len(r.value) + len(r.key) + 2*len(r.header) + 256 }
