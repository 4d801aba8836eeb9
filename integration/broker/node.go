package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
)

// Node is a server in a container of one test, which can be harmed. Its methods belong to
// the test's goroutine: each ends the test when it does not succeed, and to stop what is
// stopped is no success.
type Node struct {
	t   testing.TB
	box *box
}

// Run starts a container that is removed when the test ends. It returns when the server
// is ready.
func Run(t testing.TB, s Spec) *Node {
	t.Helper()
	needDocker(t)
	n, err := Try(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Try is Run for goroutines other than the test's, which must not end it.
func Try(t testing.TB, s Spec) (*Node, error) {
	b, err := run(t.Context(), s)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Name, b.lastWords(context.WithoutCancel(t.Context())))
		}
		if err := b.remove(); err != nil {
			t.Errorf("broker: %s is not removed: %v", s.Name, err)
		}
	})
	return &Node{t: t, box: b}, nil
}

// Stop asks the server to end, and returns when it has. After a minute it is killed.
func (n *Node) Stop() {
	n.t.Helper()
	n.do("stop", n.box.stop, container.StateRunning)
}

// Kill ends the server with SIGKILL, also one that is paused. On return nothing of it runs.
func (n *Node) Kill() {
	n.t.Helper()
	n.do("kill", n.box.kill, container.StateRunning, container.StatePaused)
}

// Start starts a server that was stopped or killed, on its old ports and with what it
// had stored, and returns when it is ready.
func (n *Node) Start() {
	n.t.Helper()
	n.do("start", n.box.start, container.StateExited)
}

// StartAll starts servers that were stopped or killed, and returns when all are ready. It is
// for those of a cluster that are ready only together.
func StartAll(nodes ...*Node) {
	for _, n := range nodes {
		n.t.Helper()
		n.do("start", n.box.launch, container.StateExited)
	}
	for _, n := range nodes {
		n.do("start", n.box.ready, container.StateRunning, container.StateExited)
	}
}

// Restart stops and starts.
func (n *Node) Restart() {
	n.t.Helper()
	n.Stop()
	n.Start()
}

// Pause stops the server in the middle of whatever it does: it answers nothing, and its
// connections stay.
func (n *Node) Pause() {
	n.t.Helper()
	n.do("pause", n.box.pause, container.StateRunning)
}

// Unpause lets a paused server go on, and returns when it is ready.
func (n *Node) Unpause() {
	n.t.Helper()
	n.do("unpause", n.box.unpause, container.StatePaused)
}

// Exec runs a command beside the server, and returns what it prints. A status other than
// zero ends the test.
func (n *Node) Exec(cmd ...string) string {
	n.t.Helper()
	var out string
	n.do("exec in", func(ctx context.Context) (err error) {
		out, err = n.box.exec(ctx, cmd)
		return err
	}, container.StateRunning)
	return out
}

// Name is that of the Spec.
func (n *Node) Name() string { return n.box.spec.Name }

// LastWords are the last lines of the server's log, whatever state it is in, after a line
// that says so; empty if there are none. They are for the reader of an error.
func (n *Node) LastWords() string {
	defer n.box.hangUp()
	return n.box.lastWords(context.WithoutCancel(n.t.Context()))
}

// Logged counts the lines of the server's log that hold the text.
func (n *Node) Logged(text string) (lines int) {
	n.t.Helper()
	n.do("read the log of", func(ctx context.Context) error {
		log, err := n.box.log(ctx, "all")
		for line := range strings.Lines(log) {
			if strings.Contains(line, text) {
				lines++
			}
		}
		return err
	}, container.StateRunning, container.StatePaused, container.StateExited)
	return lines
}

// IP is the server's address on the network of its Spec.
func (n *Node) IP() string {
	n.t.Helper()
	var ip string
	n.do("ask the address of", func(ctx context.Context) (err error) {
		ip, err = n.box.ip(ctx)
		return err
	}, container.StateRunning, container.StatePaused)
	return ip
}

func (n *Node) do(verb string, f func(context.Context) error, from ...container.ContainerState) {
	n.t.Helper()
	// Not the test's context: a clean-up may want it too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.t.Context()), 3*time.Minute)
	defer cancel()
	defer n.box.hangUp()
	state, err := n.box.state(ctx)
	if err == nil && !slices.Contains(from, state.Status) {
		err = fmt.Errorf("it is %s", state.Status)
	}
	if err == nil {
		err = f(ctx)
	}
	if err != nil {
		n.t.Fatalf("broker: cannot %s %s: %v%s", verb, n.box.spec.Name, err, n.box.lastWords(ctx))
	}
}
