package demo

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// plainEvery is how often progress is told where there is no terminal.
const plainEvery = time.Second

// console talks to the user: results to standard output, progress and warnings to
// standard error, where a terminal shows a bar and anything else gets lines.
type console struct {
	out      *outlet
	bar      bool // standard error is a terminal
	json     bool // one object is all that standard output gets
	mu       sync.Mutex
	err      io.Writer
	progress *progressbar.ProgressBar
	phase    string
	total    int // -1: unknown
	n        int
	told     time.Time
}

// say writes a paragraph of the report.
func (c *console) say(format string, args ...any) {
	if !c.json {
		_, _ = fmt.Fprintf(c.out, format+"\n", args...) // the outlet remembers
	}
}

// warn writes a line to standard error.
func (c *console) warn(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.progress != nil {
		_ = c.progress.Clear() // progress is a courtesy
	}
	_, _ = fmt.Fprintf(c.err, "eventbus demo: "+format+"\n", args...)
}

// Write lets the bus's logger write beside the bar.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.progress != nil {
		_ = c.progress.Clear() // progress is a courtesy
	}
	return c.err.Write(p)
}

// begin starts showing the progress of a phase, until end. Total -1 is unknown.
func (c *console) begin(phase string, total int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.total, c.n, c.told = phase, total, 0, time.Now()
	if c.bar && total != 0 {
		c.progress = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(c.err),
			progressbar.OptionSetDescription(phase),
			progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetSpinnerChangeInterval(0), // or it has a goroutine
			progressbar.OptionClearOnFinish(),
		)
	}
}

// reach says how far the phase has come.
func (c *console) reach(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n = n
	switch {
	case c.progress != nil:
		_ = c.progress.Set(n) // progress is a courtesy
	case time.Since(c.told) >= plainEvery:
		c.tell()
	}
}

func (c *console) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.progress != nil {
		_ = c.progress.Clear() // progress is a courtesy
		_ = c.progress.Exit()
		c.progress = nil
		return
	}
	c.tell()
}

func (c *console) tell() {
	c.told = time.Now()
	switch {
	case c.json || c.bar:
	case c.total < 0:
		_, _ = fmt.Fprintf(c.err, "%s: %s\n", c.phase, number(c.n))
	default:
		_, _ = fmt.Fprintf(c.err, "%s: %s of %s\n", c.phase, number(c.n), number(c.total))
	}
}

// outlet writes until it fails, and remembers why.
type outlet struct {
	w      io.Writer
	failed func() // called at the first failure

	mu  sync.Mutex
	err error
}

func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.err = err
		o.failed()
	}
	return n, err
}

func (o *outlet) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
