package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// The exit statuses.
const (
	StatusGood        = 0
	StatusFault       = 1   // sums that do not add up, or an error on the way
	StatusInput       = 2   // bad lines or no input, like wrong usage
	StatusInterrupted = 130 // by a signal
	StatusUnread      = 141 // nobody reads standard output any more
)

// grace is how long an orderly end may take.
const grace = 10 * time.Second

var errUnread = errors.New("standard output is closed")

// inputError is matched when the input cannot be read at all.
type inputError struct{ error }

func (e inputError) Unwrap() error { return e.error }

// Run plays the demo, tells about it, and returns the exit status. When ctx ends
// it stops publishing, ends in good order within 10 s and tells how far it came.
func Run(ctx context.Context, c Config) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &outlet{w: c.Stdout, failed: func() { cancel(errUnread) }}
	con := &console{out: out, err: c.Stderr, json: c.JSON, bar: c.Terminal}
	status := run(ctx, c, con)
	switch err := out.failure(); {
	case errors.Is(err, syscall.EPIPE):
		return StatusUnread
	case err != nil:
		con.warn("cannot write the report: %v", err)
		return StatusFault
	}
	return status
}

func run(ctx context.Context, c Config, con *console) int {
	if c.Events == "" {
		d := newDemo(c, con, story{orders: c.Orders, seed: c.Seed})
		return d.finish(ctx, d.run(ctx))
	}
	in, err := openInTime(ctx, c)
	if ctx.Err() != nil {
		con.warn("interrupted before %s could be opened", c.Events)
		return StatusInterrupted
	}
	if err != nil {
		con.warn("%v", err)
		return StatusInput
	}
	defer func() { _ = in.Close() }() // it was only read
	bad := &badLines{tell: func(s string) { con.warn("%s: %s", in.name, s) }}
	file := &fileSource{in: in, bad: bad}
	d := newDemo(c, con, file)
	status := d.finish(ctx, d.run(ctx))
	file.sum(con)
	if status == StatusGood && bad.n > 0 {
		return StatusInput
	}
	return status
}

// openInTime opens the input, which of a pipe waits for a writer: no longer than ctx.
func openInTime(ctx context.Context, c Config) (in *input, err error) {
	opened := make(chan struct{})
	go func() { // ends with the process, if the pipe never has a writer
		defer close(opened)
		in, err = openInput(c.Events, c.Stdin)
	}()
	select {
	case <-opened:
		return in, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (d *demo) run(ctx context.Context) error {
	if err := d.prepare(ctx); err != nil {
		return err
	}
	if err := d.open(ctx); err != nil {
		return err
	}
	return d.play(ctx)
}

// ending is how a run ended.
type ending int

const (
	complete ending = iota
	interrupted
	broken // by an error: what was published has not been waited for
)

// finish ends the run in good order, prints the totals and returns the status.
func (d *demo) finish(ctx context.Context, err error) int {
	how := complete
	switch {
	case err != nil && ctx.Err() != nil:
		how = interrupted
	case err != nil:
		how = broken
		d.con.warn("%v", err)
	}
	within := grace
	if how == complete {
		within += d.patience
	} else { // somebody waits for the end, or the server has been away for long
		d.patience = min(d.patience, hurry)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	left, endErr := d.end(last)
	if endErr != nil {
		d.con.warn("%v", endErr)
	}
	var input inputError
	switch {
	case how == broken && errors.As(err, &input):
		return StatusInput
	case how == broken && d.offered == 0:
		return StatusFault
	}
	status := d.report(left, how)
	if endErr != nil && status == StatusGood {
		return StatusFault
	}
	return status
}

// end stops the subscribers, looks at what is left, removes it and closes the bus.
func (d *demo) end(ctx context.Context) (left listing, err error) {
	if d.bus == nil {
		return listing{}, nil
	}
	var errs []error
	for _, s := range d.joined {
		errs = append(errs, s.Stop(ctx))
	}
	if d.queue != nil {
		left, err = d.letters(ctx)
		errs = append(errs, err, d.remove(ctx))
	}
	errs = append(errs, d.bus.Shutdown(ctx))
	return left, errors.Join(errs...)
}

// remove clears the backend of this run: its letters and, where that can be done,
// its groups.
func (d *demo) remove(ctx context.Context) error {
	errs := []error{d.insist(ctx, func(ctx context.Context) error {
		_, err := d.queue.Purge(ctx, dlq.All)
		return err
	})}
	if admin, ok := eventbus.As[eventbus.Admin](d.bus); ok && len(d.joined) == len(subscriberNames()) {
		for _, name := range subscriberNames() {
			errs = append(errs, d.removeGroup(ctx, admin, d.group+"."+name))
		}
	}
	return errors.Join(errs...)
}

// removeGroup deletes the group. A server that was away may have done so without saying
// it, or count a member that could not say that it has left.
func (d *demo) removeGroup(ctx context.Context, admin eventbus.Admin, group string) error {
	var refused error
	err := d.insist(ctx, func(ctx context.Context) error {
		err := admin.DeleteGroup(ctx, group)
		if err == nil {
			refused = nil
			return nil
		}
		groups, listErr := admin.Groups(ctx)
		switch {
		case listErr == nil && !slices.Contains(groups, group):
			refused = nil
			return nil
		case errors.Is(err, eventbus.ErrInvalid):
			refused = err
			return errMember
		}
		return err
	})
	if refused != nil {
		return refused
	}
	return err
}

var errMember = errors.New("the group has a member")

// report prints the totals and what is wrong with them.
func (d *demo) report(left listing, how ending) int {
	totals, facts := d.totals(left)
	faults := totals.faults(facts)
	switch {
	case how == interrupted:
		totals.Lost = 0
		d.print(totals, "Interrupted: these are the totals so far.", StatusInterrupted)
		return StatusInterrupted
	case how == broken:
		totals.Lost = 0
		d.print(totals, "Broken off by an error: these are the totals so far.", StatusFault)
		return StatusFault
	case len(faults) > 0:
		d.print(totals, "The sums do not add up:\n  "+strings.Join(faults, "\n  "), StatusFault)
		return StatusFault
	}
	d.print(totals, totals.verdict(), StatusGood)
	return StatusGood
}

func (d *demo) print(t Totals, verdict string, status int) {
	if !d.con.json {
		d.con.say("Totals:\n%s\n%s", t.text(), verdict)
		return
	}
	if status != StatusGood {
		d.con.warn("%s", verdict)
	}
	_, _ = fmt.Fprint(d.con.out, t.json()) // the outlet remembers
}
