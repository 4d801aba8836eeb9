package gauge

import (
	"runtime/metrics"
	"sync"
	"time"
)

// heapInUse is live objects and those not swept yet. Reading it stops nothing,
// unlike runtime.MemStats.
func heapInUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// heapWatch looks at the heap every few milliseconds.
type heapWatch struct {
	highest uint64
	end     chan struct{}
	ended   sync.WaitGroup
}

func watchHeap() *heapWatch {
	w := &heapWatch{highest: heapInUse(), end: make(chan struct{})}
	w.ended.Go(w.run)
	return w
}

func (w *heapWatch) run() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.highest = max(w.highest, heapInUse())
		case <-w.end:
			return
		}
	}
}

func (w *heapWatch) stop() uint64 {
	close(w.end)
	w.ended.Wait()
	return max(w.highest, heapInUse())
}
