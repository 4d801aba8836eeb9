// Package gauge measures what a piece of work costs the process: time, CPU,
// allocations and heap.
package gauge

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// Sample is what one piece of work cost. Everything but Wall is of the whole
// process: measure one thing at a time.
type Sample struct {
	Events   int
	Wall     time.Duration
	CPU      time.Duration // user and system
	Allocs   uint64
	Bytes    uint64        // allocated
	Peak     int64         // bytes of heap and stacks in use at most, above those in use before
	Retained int64         // bytes of heap still live afterwards, above those before
	P50, P99 time.Duration // of single events, where they were timed
	Waiting  Level         // above that of before, where all events waited at once
	Server   time.Duration // what a server spent in commands
}

// NS is the time per event in nanoseconds.
func (s Sample) NS() float64 { return float64(s.Wall) / float64(s.Events) }

// CPUNS is the CPU time per event in nanoseconds.
func (s Sample) CPUNS() float64 { return float64(s.CPU) / float64(s.Events) }

// AllocsPerEvent is the number of allocations per event.
func (s Sample) AllocsPerEvent() float64 { return float64(s.Allocs) / float64(s.Events) }

// BytesPerEvent is the number of bytes allocated per event.
func (s Sample) BytesPerEvent() float64 { return float64(s.Bytes) / float64(s.Events) }

// PerSecond is the number of events per second.
func (s Sample) PerSecond() float64 { return float64(s.Events) / s.Wall.Seconds() }

// ServerNS is the server's time per event in nanoseconds.
func (s Sample) ServerNS() float64 { return float64(s.Server) / float64(s.Events) }

// PeakMB is Peak in MB.
func (s Sample) PeakMB() float64 { return float64(s.Peak) / 1e6 }

// RetainedMB is Retained in MB.
func (s Sample) RetainedMB() float64 { return float64(s.Retained) / 1e6 }

// WaitingMB is the memory of events that wait in MB.
func (s Sample) WaitingMB() float64 { return float64(s.Waiting.Bytes) / 1e6 }

// Goroutines is the number of goroutines while events wait.
func (s Sample) Goroutines() float64 { return float64(s.Waiting.Goroutines) }

// Measure runs work, which handles the given number of events. The collector runs
// before, so that no work pays for the garbage of another, and after, so that only
// what is still reachable counts as retained. In between warm runs unmeasured: a
// collection leaves caches so cold that the first 10,000 events cost twice as much.
func Measure(events int, warm, work func() error) (Sample, error) {
	runtime.GC()
	heap, stacks := inUse()
	if err := warm(); err != nil {
		return Sample{}, err
	}
	before, err := read()
	if err != nil {
		return Sample{}, err
	}
	peak := watchMemory()
	began := time.Now()
	err = work()
	wall := time.Since(began)
	highest := peak.stop()
	if err != nil {
		return Sample{}, err
	}
	after, err := read()
	return Sample{
		Events:   events,
		Wall:     wall,
		CPU:      after.cpu - before.cpu,
		Allocs:   after.mallocs - before.mallocs,
		Bytes:    after.bytes - before.bytes,
		Peak:     highest - heap - stacks,
		Retained: retained() - heap,
	}, err
}

type reading struct {
	cpu            time.Duration
	mallocs, bytes uint64
}

func read() (reading, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return reading{}, fmt.Errorf("getrusage: %w", err)
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return reading{
		cpu:     time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		mallocs: mem.Mallocs,
		bytes:   mem.TotalAlloc,
	}, nil
}
