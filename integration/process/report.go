package process

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"sync"
)

// What a worker says to the process that started it.
const (
	saidUp    = "up" // signals are obeyed from here on
	saidReady = "ready"
	saidError = "error"
)

type message struct{ Said, Text string }

// report is the worker's end of the pipe. It may be used concurrently.
type report struct {
	mu  sync.Mutex
	out *json.Encoder
}

type reportKey struct{}

func newReport(f *os.File) *report { return &report{out: json.NewEncoder(f)} }

// say does not fail: when nobody listens, the parent has gone, and leave ends us.
func (r *report) say(what, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.out.Encode(message{Said: what, Text: text})
}

// Ready tells the test that waits in Worker.Ready that the role has come to the point
// that matters. The context is that of a role, or derived from it; of others nothing
// is told. Calling it again does nothing.
func Ready(ctx context.Context) {
	if r, ok := ctx.Value(reportKey{}).(*report); ok {
		r.say(saidReady, "")
	}
}

// heard is what a worker has said so far. It may be used concurrently.
type heard struct {
	up, ready chan struct{}
	once      map[string]*sync.Once

	mu   sync.Mutex
	text string
}

func newHeard() *heard {
	return &heard{
		up: make(chan struct{}), ready: make(chan struct{}),
		once: map[string]*sync.Once{saidUp: {}, saidReady: {}},
	}
}

// listen returns when the worker has closed its end.
func (h *heard) listen(pipe io.Reader) {
	for in := json.NewDecoder(bufio.NewReader(pipe)); ; {
		var m message
		if in.Decode(&m) != nil {
			return // the end, or a message that the worker was killed in
		}
		switch m.Said {
		case saidUp:
			h.once[saidUp].Do(func() { close(h.up) })
		case saidReady:
			h.once[saidReady].Do(func() { close(h.ready) })
		case saidError:
			h.mu.Lock()
			h.text = m.Text
			h.mu.Unlock()
		}
	}
}

func (h *heard) failure() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text
}

// output keeps the end of what a worker prints. It may be used concurrently.
type output struct {
	mu   sync.Mutex
	tail []byte
	cut  int // bytes that were left off
}

const maxOutput = 64 << 10

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = append(o.tail, b...)
	if over := len(o.tail) - maxOutput; over > 0 {
		o.cut += over
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
	return len(b), nil
}
