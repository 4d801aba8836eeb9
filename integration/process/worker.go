package process

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// Spec says what a worker is to do.
type Spec struct {
	// Role is one of those given to Work. It has no default.
	Role string
	// Args are handed to the role. Zero means none.
	Args Args
	// Patience is how long Ready, Stop and Wait wait. Zero means 30 seconds.
	Patience time.Duration
	// Grace is how long the role may go on when the test binary is gone, before the
	// worker ends the hard way. Zero means 5 seconds.
	Grace time.Duration
}

func (s Spec) patience() time.Duration { return orElse(s.Patience, 30*time.Second) }
func (s Spec) grace() time.Duration    { return orElse(s.Grace, 5*time.Second) }

func orElse(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Worker is a process that runs a role. Its methods may be called concurrently, but
// those that end a test that cannot go on (all but Done, Output and PID) from the
// test's goroutine alone, as t.FailNow.
type Worker struct {
	t testing.TB
	c *child
}

// Start starts a worker. What then still runs when the test ends is killed, and if the
// test has failed, what the worker has printed is logged.
func Start(t testing.TB, spec Spec) *Worker {
	t.Helper()
	c, err := launch(spec)
	if err != nil {
		t.Fatal(err)
	}
	w := &Worker{t: t, c: c}
	t.Cleanup(w.cleanup)
	return w
}

func (w *Worker) cleanup() {
	if err := w.c.kill(); err != nil {
		w.t.Error(err)
	}
	if w.t.Failed() {
		w.t.Logf("%s printed:\n%s", w, w.Output())
	}
}

// String names the worker.
func (w *Worker) String() string { return fmt.Sprintf("role %s (process %d)", w.c.spec.Role, w.PID()) }

// PID is the number of the process.
func (w *Worker) PID() int { return w.c.cmd.Process.Pid }

// Done is closed when the process has ended.
func (w *Worker) Done() <-chan struct{} { return w.c.done }

// Output is the last 64 KiB of what the worker has printed on both of its outputs.
func (w *Worker) Output() string {
	w.c.out.mu.Lock()
	defer w.c.out.mu.Unlock()
	if w.c.out.cut > 0 {
		return fmt.Sprintf("(%d bytes are left off)\n%s", w.c.out.cut, w.c.out.tail)
	}
	return string(w.c.out.tail)
}

// Ready waits until the role has called the function of that name. A worker that ends
// before fails the test.
func (w *Worker) Ready() {
	w.t.Helper()
	select {
	case <-w.c.heard.ready:
		return
	case <-w.Done():
	case <-time.After(w.c.spec.patience()):
		w.t.Fatalf("process: after %v not ready: %s; it printed:\n%s", w.c.spec.patience(), w, w.Output())
	}
	select {
	case <-w.c.heard.ready: // and ended at once
	default:
		w.t.Fatalf("process: ended before it was ready: %s: %v; is the role given to process.Work, first in TestMain? It printed:\n%s", w, w.c.err, w.Output())
	}
}

// Wait waits until the process has ended, and returns nil if the role returned nil and
// an *Exit otherwise.
func (w *Worker) Wait() error {
	w.t.Helper()
	select {
	case <-w.Done():
	case <-time.After(w.c.spec.patience()):
		w.t.Fatalf("process: after %v it still runs: %s; it printed:\n%s", w.c.spec.patience(), w, w.Output())
	}
	return w.c.err
}

// Stop ends the role's context and waits as Wait does. A worker that is suspended is
// continued.
func (w *Worker) Stop() error {
	w.t.Helper()
	select {
	case <-w.c.heard.up: // before that the signal would kill it
	case <-w.Done():
	case <-time.After(w.c.spec.patience()):
	}
	w.send(syscall.SIGTERM)
	w.send(syscall.SIGCONT)
	return w.Wait()
}

// Kill ends the process with SIGKILL: nothing of it runs any more when Kill returns.
// A worker that has ended is left as it is.
func (w *Worker) Kill() {
	w.t.Helper()
	if err := w.c.kill(); err != nil {
		w.t.Fatal(err)
	}
}

// Suspend stops the process, which then does nothing, and closes nothing, until
// Continue. On Linux it stands still when Suspend returns, elsewhere within moments.
func (w *Worker) Suspend() {
	w.t.Helper()
	w.send(syscall.SIGSTOP)
	if err := awaitStopped(w.PID(), w.Done()); err != nil {
		w.t.Fatalf("process: suspend %s: %v", w, err)
	}
}

// Continue lets a suspended process go on.
func (w *Worker) Continue() {
	w.t.Helper()
	w.send(syscall.SIGCONT)
}

func (w *Worker) send(s syscall.Signal) {
	w.t.Helper()
	if err := w.c.signal(s); err != nil {
		w.t.Fatal(err)
	}
}
