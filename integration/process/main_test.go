package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Work(Roles{
		"append":    appendLines,
		"deaf":      func(ctx context.Context, _ Args) error { Ready(ctx); select {} },
		"fail":      func(context.Context, Args) error { return errors.New("no oranges left") },
		"late":      func(context.Context, Args) error { select {} },
		"obey":      obey,
		"panic":     func(context.Context, Args) error { panic("out of oranges") },
		"parent":    parent,
		"print":     printLines,
		"return":    func(ctx context.Context, _ Args) error { Ready(ctx); Ready(ctx); return nil },
		"tethered":  tethered,
		"terminate": func(context.Context, Args) error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) },
	})
	goleak.VerifyTestMain(m)
}

// obey returns what ended its context, after a last word.
func obey(ctx context.Context, args Args) error {
	Ready(ctx)
	<-ctx.Done()
	fmt.Fprintln(os.Stderr, "good bye,", args["name"])
	return context.Cause(ctx)
}

// appendLines writes numbered lines until it is killed.
func appendLines(ctx context.Context, args Args) error {
	f, err := os.OpenFile(args["file"], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if _, err := fmt.Fprintf(f, "line %d\n", i); err != nil {
			return err
		}
		if i == 100 {
			Ready(ctx)
		}
	}
}

func printLines(context.Context, Args) error {
	for range 10_000 {
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 99))
	}
	fmt.Fprintln(os.Stderr, "the end")
	return nil
}

// tethered holds a connection to the test, which sees it end; args say whether it obeys.
func tethered(ctx context.Context, args Args) error {
	c, err := net.Dial("tcp", args["addr"])
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c, "here\n"); err != nil {
		return err
	}
	Ready(ctx)
	if args["deaf"] != "" {
		select {}
	}
	<-ctx.Done()
	_, err = fmt.Fprintln(c, context.Cause(ctx))
	return err
}

// parent starts a worker of its own, and never ends by itself.
func parent(ctx context.Context, args Args) error {
	spec := Spec{Role: "tethered", Args: args}
	if args["deaf"] != "" {
		spec.Grace = time.Millisecond
	}
	c, err := launch(spec)
	if err != nil {
		return err
	}
	<-c.heard.ready
	if args["suspended"] != "" {
		if err := c.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		if err := awaitStopped(c.cmd.Process.Pid, c.done); err != nil {
			return err
		}
	}
	Ready(ctx)
	select {}
}
