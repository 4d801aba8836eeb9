package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/cmd/eventbus/internal/demo"
)

// maxOrders keeps the numbers of orders at the width of their IDs.
const maxOrders = 999_999

// demoCommand is "eventbus demo". Pointers tell a flag that was left out from one
// that is empty.
type demoCommand struct {
	Bus    *string `placeholder:"URL" help:"The bus: memory:, redis://[user:password@]host:port[/database], amqp://[user:password@]host:port[/vhost] or kafka://[user:password@]host:port[,host:port][?tls=true&sasl=plain|scram-sha-256|scram-sha-512]. What the demo makes on a server has names of its own and is removed (default: memory:)."`
	Orders *int    `xor:"orders" placeholder:"N" help:"Orders in the story that is told when there is no --events (default: 500)."`
	Seed   *uint64 `xor:"seed" placeholder:"N" help:"Another number, another story (default: 1)."`
	Events *string `xor:"orders,seed" placeholder:"FILE" help:"Play these events instead: CloudEvents 1.0 in JSON, one a line, plain or gzip; - is standard input."`
	Poison *string `placeholder:"PATTERN" help:"Event types that the biller cannot handle until it is fixed: dotted words, * is one word, # any number. The default is payment.declined in the story, with --events the rarest type."`
	JSON   bool    `name:"json" help:"Print one JSON object with the totals and nothing else."`
}

// Help is the long description.
func (demoCommand) Help() string {
	return `The subscribers: a projection counts events and checks their order within each aggregate, an audit log takes
everything, a notifier fails now and then and is retried, a biller fails for good until it is fixed.

Examples:
  eventbus demo --orders 5000 --seed 7
  eventbus demo --events orders.ndjson.gz --poison 'payment.*'
  eventbus demo --bus redis://localhost:6379
  eventbus demo --bus amqp://guest:guest@localhost:5672
  eventbus demo --bus kafka://localhost:9092
  zcat log.gz | eventbus demo --events - --json | jq .events_per_second

A server may be away for up to a minute: what it did not confirm is published again, and duplicates that come of it
are counted and no fault.

Exit status: 0 when the sums add up, 1 when they do not or something failed, 2 for bad input lines or wrong usage,
130 when interrupted; a second Ctrl-C ends at once.`
}

// Validate reports everything that is wrong with the flags.
func (c *demoCommand) Validate() error {
	var errs []error
	if c.Orders != nil && (*c.Orders < 1 || *c.Orders > maxOrders) {
		errs = append(errs, fmt.Errorf("--orders must be from 1 to %d (got %d)", maxOrders, *c.Orders))
	}
	if c.Events != nil && *c.Events == "" {
		errs = append(errs, errors.New("--events must name a file, or - for standard input (got nothing)"))
	}
	if _, err := demo.OpenURL(or(c.Bus, "memory:")); err != nil {
		errs = append(errs, fmt.Errorf("--bus %w", err))
	}
	var wrong *eventbus.ValidationError
	if c.Poison != nil && errors.As(eventbus.Pattern(*c.Poison).Validate(), &wrong) {
		errs = append(errs, fmt.Errorf("--poison %s (got %q)", wrong.Rule, *c.Poison))
	}
	return errors.Join(errs...)
}

func (c *demoCommand) run(ctx context.Context, s streams) int {
	open, err := demo.OpenURL(or(c.Bus, "memory:"))
	if err != nil { // Validate has seen it
		return demo.StatusInput
	}
	return demo.Run(ctx, demo.Config{
		Orders: or(c.Orders, 500), Seed: or(c.Seed, 1), Events: or(c.Events, ""), Poison: or(c.Poison, ""), JSON: c.JSON,
		Stdin: s.in, Stdout: s.out, Stderr: s.err, Terminal: isTerminal(s.err),
		Open: open,
	})
}

// or returns what was given, else the default.
func or[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
