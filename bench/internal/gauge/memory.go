package gauge

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// inUse is the bytes of live objects and those not swept yet, and of the stacks of
// goroutines. Reading them stops nothing, unlike runtime.MemStats.
func inUse() (heap, stacks int64) {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64()), int64(s[1].Value.Uint64())
}

// retained is the bytes of objects that are still reachable.
func retained() int64 {
	runtime.GC()
	heap, _ := inUse()
	return heap
}

// Level is what the process holds at a moment.
type Level struct {
	Bytes      int64 // of objects still reachable and of stacks
	Goroutines int
}

// ReadLevel runs the collector first.
func ReadLevel() Level {
	runtime.GC()
	heap, stacks := inUse()
	return Level{Bytes: heap + stacks, Goroutines: runtime.NumGoroutine()}
}

// Above is what l holds more than before.
func (l Level) Above(before Level) Level {
	return Level{Bytes: l.Bytes - before.Bytes, Goroutines: l.Goroutines - before.Goroutines}
}

// Running is about how many goroutines run or could, the caller among them.
func Running() int {
	s := []metrics.Sample{{Name: "/sched/goroutines/running:goroutines"}, {Name: "/sched/goroutines/runnable:goroutines"}}
	metrics.Read(s)
	return int(s[0].Value.Uint64() + s[1].Value.Uint64())
}

// memoryWatch looks at heap and stacks every few milliseconds.
type memoryWatch struct {
	highest int64
	end     chan struct{}
	ended   sync.WaitGroup
}

func watchMemory() *memoryWatch {
	w := &memoryWatch{end: make(chan struct{})}
	w.look()
	w.ended.Go(w.run)
	return w
}

func (w *memoryWatch) look() {
	heap, stacks := inUse()
	w.highest = max(w.highest, heap+stacks)
}

func (w *memoryWatch) run() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look()
		case <-w.end:
			return
		}
	}
}

func (w *memoryWatch) stop() int64 {
	close(w.end)
	w.ended.Wait()
	w.look()
	return w.highest
}
