package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Args are what a role is told; they travel in the environment, which bounds them to
// about 100 KiB.
type Args map[string]string

// Role is what a worker does. Its context ends when the worker is to stop, and when
// the process that started it is gone; context.Cause tells which. Returning nil ends
// the process with status 0, an error with status 1; a panic ends it as a panic does,
// with status 2 and the stack.
type Role func(ctx context.Context, args Args) error

// Roles are the roles of a test binary, by name.
type Roles map[string]Role

var (
	// ErrStopped is the cause of the context's end when a worker is to stop.
	ErrStopped = errors.New("process: the worker is to stop")
	// ErrOrphaned is the cause of the context's end when the process that started the
	// worker has ended. The role has the grace of its Spec to return.
	ErrOrphaned = errors.New("process: the process that started this worker is gone")
)

// The exit statuses of a worker. A panic is the runtime's 2.
const (
	statusFailed   = 1
	statusOrphaned = 3
	statusMisused  = 64
)

// What a worker is told, in its environment, and the descriptor that it reports to.
const (
	envRole  = "EVENTBUS_TEST_ROLE"
	envArgs  = "EVENTBUS_TEST_ARGS"
	envGrace = "EVENTBUS_TEST_GRACE"
	reportFD = 3
)

// Work returns at once where the test binary was started to run tests. In a worker it
// runs the role and ends the process. It belongs at the beginning of TestMain.
func Work(roles Roles) {
	name, ok := os.LookupEnv(envRole)
	if !ok {
		return
	}
	os.Exit(work(name, roles)) //nolint:forbidigo // a worker is a program of its own, and this is its end
}

// work runs a role and returns the status that the process ends with.
func work(name string, roles Roles) int {
	role := roles[name]
	if role == nil {
		known := strings.Join(slices.Sorted(maps.Keys(roles)), ", ")
		return misused(fmt.Errorf("no role %q; this test binary has: %s", name, known))
	}
	var args Args
	if err := json.Unmarshal([]byte(os.Getenv(envArgs)), &args); err != nil {
		return misused(fmt.Errorf("%s: %w", envArgs, err))
	}
	grace, err := time.ParseDuration(os.Getenv(envGrace))
	if err != nil {
		return misused(fmt.Errorf("%s: %w", envGrace, err))
	}
	for _, name := range []string{envRole, envArgs, envGrace} {
		if err := os.Unsetenv(name); err != nil { // what the role starts is no worker of ours
			return misused(err)
		}
	}
	ctx, end := context.WithCancelCause(context.Background())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() { <-stop; end(ErrStopped) }()
	go leave(end, grace)

	syscall.CloseOnExec(reportFD) // whoever waits for our end is not to wait for what we start
	report := newReport(os.NewFile(reportFD, "report"))
	report.say(saidUp, "")
	if err := role(context.WithValue(ctx, reportKey{}, report), args); err != nil {
		report.say(saidError, err.Error())
		return statusFailed
	}
	return 0
}

// leave waits until the other end of standard input is closed, which nothing but the
// end of the parent does, and sees to it that this process ends.
func leave(end context.CancelCauseFunc, grace time.Duration) {
	_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it: there is no parent to be heard any more
	end(ErrOrphaned)
	<-time.After(grace)
	os.Exit(statusOrphaned) //nolint:forbidigo // the role does not obey, and nobody is left to kill it
}

func misused(err error) int {
	fmt.Fprintf(os.Stderr, "process: %v\n", err)
	return statusMisused
}
