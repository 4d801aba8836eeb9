// Command eventbus works with event buses. Its demo plays events through one, and
// shows order, retries, dead letters and their replay.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/seed-28af575d/eventbus/cmd/eventbus/internal/demo"
)

func main() {
	// Or a closed standard output would end the process on the spot.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// commands are what the command line may ask for.
type commands struct {
	Demo    demoCommand    `cmd:"" help:"Play events through a bus with four subscribers, two of which fail; list the dead letters, replay them, and check that nothing was lost, doubled or out of order."`
	Version versionCommand `cmd:"" help:"Print the version of this program."`
}

// command runs and returns the exit status.
type command interface {
	run(ctx context.Context, s streams) int
}

// exited carries the status of an early end, such as that of --help, out of kong.
type exited int

// run carries the command line out and returns the exit status.
func run(ctx context.Context, args []string, s streams) (status int) {
	defer func() {
		if early, ok := recover().(exited); ok {
			status = int(early)
		}
	}()
	var all commands
	parser := kong.Must(&all,
		kong.Name("eventbus"),
		kong.Description("Work with event buses. Try: eventbus demo --orders 5000"),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	parsed, err := parser.Parse(args)
	if err != nil {
		parser.Errorf("%v; see eventbus --help", err)
		return demo.StatusInput
	}
	chosen, ok := parsed.Selected().Target.Addr().Interface().(command)
	if !ok {
		parser.Errorf("%s cannot be run", parsed.Command())
		return demo.StatusFault
	}
	return chosen.run(ctx, s)
}
