package oracle

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/goleak"
)

// Watch says what a [Baseline] looks at besides goroutines and open files. The zero
// value works.
type Watch struct {
	// Connections counts the open connections to the broker. Zero means that they are
	// not counted.
	Connections func(ctx context.Context) (int, error)
	// Allowed are goroutines that may stay. Zero means none but the runtime's.
	Allowed []goleak.Option
	// Patience bounds the wait for what is ending. Zero means 5 s.
	Patience time.Duration
}

// Baseline is what there was in this process before a bus was made. Nothing else may
// begin or end in the process until Left has returned: tests that take one do not run
// in parallel with others.
type Baseline struct {
	watch       Watch
	goroutines  []goleak.Option
	files       []string
	connections int
}

// Leftovers are what there is beyond the baseline.
type Leftovers struct {
	Goroutines  string // their stacks; empty: none
	Files       []string
	Connections int
	Waited      time.Duration // for them to go away
}

// TakeBaseline looks at what there is before the bus is made.
func TakeBaseline(ctx context.Context, w Watch) (*Baseline, error) {
	if w.Patience == 0 {
		w.Patience = 5 * time.Second
	}
	b := &Baseline{watch: w}
	err := wakePoller()
	if err == nil {
		b.connections, err = w.connections(ctx)
	}
	if err == nil { // after the connections, as counting them may leave an idle one
		b.files, err = openFiles()
	}
	if err != nil {
		return nil, fmt.Errorf("oracle: take a baseline: %w", err)
	}
	b.goroutines = append([]goleak.Option{goleak.IgnoreCurrent()}, w.Allowed...)
	return b, nil
}

// Left looks at what there is beyond the baseline, until there is nothing or the
// patience is at its end. An error means that it could not look, or that ctx ended.
func (b *Baseline) Left(ctx context.Context) (Leftovers, error) {
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		l, err := b.look(ctx)
		l.Waited = time.Since(began)
		if err != nil {
			return l, fmt.Errorf("oracle: look at what is left over: %w", err)
		}
		if l.none() || l.Waited >= b.watch.Patience {
			return l, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return l, fmt.Errorf("oracle: look at what is left over: %w", context.Cause(ctx))
		}
	}
}

func (b *Baseline) look(ctx context.Context) (Leftovers, error) {
	var l Leftovers
	n, err := b.watch.connections(ctx)
	if err != nil {
		return l, err
	}
	l.Connections = max(0, n-b.connections)
	if err := goleak.Find(b.goroutines...); err != nil {
		l.Goroutines = err.Error()
	}
	files, err := openFiles()
	l.Files = without(files, b.files)
	return l, err
}

func (w Watch) connections(ctx context.Context) (int, error) {
	if w.Connections == nil {
		return 0, nil
	}
	n, err := w.Connections(ctx)
	if err != nil {
		return 0, fmt.Errorf("count the connections: %w", err)
	}
	return n, nil
}

func (l Leftovers) none() bool {
	return l.Goroutines == "" && len(l.Files) == 0 && l.Connections == 0
}

// findings is I6.
func (l Leftovers) findings() []*Finding {
	waited := l.Waited.Round(time.Millisecond)
	goroutines := newFinding(NothingLeft, "", fmt.Sprintf("goroutines are left over after %v:", waited))
	if l.Goroutines != "" {
		for _, stack := range stacks(l.Goroutines) {
			goroutines.addf("%s", stack)
		}
	}
	files := newFinding(NothingLeft, "", fmt.Sprintf("files are still open after %v:", waited))
	for _, f := range l.Files {
		files.addf("%s", f)
	}
	connections := newFinding(NothingLeft, "", fmt.Sprintf("connections to the broker are still open after %v", waited))
	if l.Connections > 0 {
		connections.add(l.Connections, "as the broker counts them")
	}
	return []*Finding{goroutines, files, connections}
}
