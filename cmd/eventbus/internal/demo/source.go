package demo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// source is where the events come from.
type source interface {
	fmt.Stringer
	// survey looks at the events before they are published. Where that takes time it
	// shows its progress.
	survey(ctx context.Context, con *console) (survey, error)
	// events goes through the events and enters each in the register. It ends early
	// with ctx.
	events(ctx context.Context, r *register) (iter.Seq[eventbus.DomainEvent], error)
}

// survey is what is known of the events beforehand.
type survey struct {
	events int // -1: unknown
	types  map[string]int
	poison eventbus.Pattern // what the biller cannot bill unless the user says so
}

// rarest returns the type with the fewest events, of several the first by name.
func (s survey) rarest() string {
	names := slices.Sorted(maps.Keys(s.types))
	if len(names) == 0 {
		return ""
	}
	return slices.MinFunc(names, func(a, b string) int { return cmp.Compare(s.types[a], s.types[b]) })
}

// fileSource reads CloudEvents in JSON, one a line.
type fileSource struct {
	in      *input
	bad     *badLines
	expired int // events whose expiry was left out
}

func (f *fileSource) String() string { return "the events of " + f.in.name }

// survey reads everything once, and chooses the rarest type as poison.
func (f *fileSource) survey(ctx context.Context, con *console) (survey, error) {
	con.begin("reading", -1)
	defer con.end()
	if err := f.in.keep(ctx); err != nil {
		return survey{}, err
	}
	quiet := &fileSource{in: f.in, bad: &badLines{tell: func(string) {}}}
	events, err := quiet.events(ctx, newRegister())
	if err != nil {
		return survey{}, err
	}
	s := survey{types: map[string]int{}}
	for e := range events {
		s.events++
		s.types[e.Type]++
		con.reach(s.events)
	}
	s.poison = eventbus.Pattern(s.rarest())
	return s, context.Cause(ctx)
}

func (f *fileSource) events(ctx context.Context, r *register) (iter.Seq[eventbus.DomainEvent], error) {
	lines, err := f.in.lines(ctx)
	if err != nil {
		return nil, err
	}
	return func(yield func(eventbus.DomainEvent) bool) {
		for ctx.Err() == nil {
			line, err := lines.next()
			switch {
			case errors.Is(err, errLongLine):
				f.bad.add(lines.number, err)
				continue
			case err != nil:
				f.end(ctx, lines.number, err)
				return
			case len(bytes.TrimSpace(line)) == 0:
				continue
			}
			e, err := f.read(line, r, lines.number)
			if err != nil {
				f.bad.add(lines.number, err)
			} else if !yield(e) {
				return
			}
		}
	}, nil
}

// end notes what ended the reading too early.
func (f *fileSource) end(ctx context.Context, line int, err error) {
	if !errors.Is(err, io.EOF) && ctx.Err() == nil {
		f.bad.add(line, fmt.Errorf("%w; from here on nothing could be read", err))
	}
}

// read makes an event of a line and enters it. What Publish would refuse is a bad
// line too: it would take the good ones beside it along.
func (f *fileSource) read(line []byte, r *register, number int) (eventbus.DomainEvent, error) {
	e, err := wire.ParseJSON(line)
	if err != nil {
		return e, err
	}
	if !e.Expires.IsZero() {
		// The log tells what was; handled now, its events would all be too late.
		e.Expires = time.Time{}
		f.expired++
	}
	if err := e.Validate(); err != nil {
		return e, err
	}
	if size := wire.Size(&e); size > maxEvent {
		return e, &eventbus.TooLargeError{Size: size, Limit: maxEvent}
	}
	return e, r.enter(&e, number)
}

// sum tells what was left out, once the reading is over.
func (f *fileSource) sum(con *console) {
	f.bad.sum()
	if f.expired > 0 {
		con.warn("%s: the expiry of %s was left out, as the log tells what was", f.in.name, count(f.expired, "event"))
	}
}
