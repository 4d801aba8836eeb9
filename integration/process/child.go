package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// child is a worker, seen from the process that started it. Its methods may be called
// concurrently.
type child struct {
	spec  Spec
	cmd   *exec.Cmd
	heard *heard
	out   output
	done  chan struct{} // closed when the process has ended and all it said is known
	err   error         // how it ended; to be read after done
}

// Exit says how a worker ended that did not end well.
type Exit struct {
	Role   string
	PID    int
	Status string // "exit status 1", "signal: killed"
	Text   string // the error that the role returned; "" if it did not come to that
}

func (e *Exit) Error() string {
	if e.Text != "" {
		return fmt.Sprintf("process: role %s (process %d) returned an error: %s", e.Role, e.PID, e.Text)
	}
	return fmt.Sprintf("process: role %s (process %d) ended with %s", e.Role, e.PID, e.Status)
}

// launch starts a worker and the one goroutine that waits for it.
func launch(spec Spec) (*child, error) {
	if _, ok := os.LookupEnv(envRole); ok {
		return nil, errors.New("process: this is a worker that runs tests; call process.Work first in TestMain")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("process: find the test binary: %w", err)
	}
	args, err := json.Marshal(spec.Args)
	if err != nil {
		return nil, fmt.Errorf("process: arguments of role %s: %w", spec.Role, err)
	}
	c := &child{spec: spec, heard: newHeard(), done: make(chan struct{})}
	c.cmd = exec.Command(self, "-test.run=^$") // a binary without Work runs nothing, instead of everything
	c.cmd.Env = append(os.Environ(), envRole+"="+spec.Role, envArgs+"="+string(args), envGrace+"="+spec.grace().String(),
		// A program with the race detector sleeps for a second before it exits, by default.
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	c.cmd.WaitDelay = 5 * time.Second // for what the worker has started and left behind, with its output
	c.cmd.SysProcAttr = apart()
	return c, c.start()
}

func (c *child) start() error {
	// Nothing is written to it. It is open for as long as we live: its end is the worker's, too.
	if _, err := c.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("process: start role %s: %w", c.spec.Role, err)
	}
	said, say, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("process: start role %s: %w", c.spec.Role, err)
	}
	c.cmd.ExtraFiles = []*os.File{say}
	err = c.cmd.Start()
	_ = say.Close() // the worker's end, of which it has its own copy
	if err != nil {
		_ = said.Close() // nothing came
		return fmt.Errorf("process: start role %s: %w", c.spec.Role, err)
	}
	go c.wait(said)
	return nil
}

// wait is over when the process is, and what it said and printed has been read.
func (c *child) wait(said *os.File) {
	defer close(c.done)
	var listening sync.WaitGroup
	listening.Go(func() { c.heard.listen(said) })
	err := c.cmd.Wait()
	listening.Wait() // to the end, which has come: no other process has the worker's
	_ = said.Close() // read to the end
	if err != nil {
		c.err = &Exit{Role: c.spec.Role, PID: c.cmd.Process.Pid, Status: status(c.cmd, err), Text: c.heard.failure()}
	}
}

// status is the process's own, unless something else is wrong, such as its output.
func status(cmd *exec.Cmd, err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return cmd.ProcessState.String()
	}
	return err.Error()
}

// signal sends a signal to a worker that has not ended.
func (c *child) signal(s syscall.Signal) error {
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process: %s to role %s (process %d): %w", s, c.spec.Role, c.cmd.Process.Pid, err)
	}
	return nil
}

func (c *child) kill() error {
	err := c.signal(syscall.SIGKILL)
	if err == nil {
		<-c.done
	}
	return err
}
