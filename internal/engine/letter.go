package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// maxErrorText is how much of an error's chain a letter holds, in bytes.
const maxErrorText = 4 << 10

// burial makes the letter of a flight, and what the observer is told of it.
func (f *flight) burial(sub *eventbus.Subscriber, reason dlq.Reason, err error, now time.Time) *ending {
	l := dlq.Letter{
		Group: sub.Group, Subscriber: sub.Name,
		Reason: reason, Errors: texts(err), Attempts: f.past.attempts, Crashes: f.past.crashes,
		FirstFailure: f.past.first, LastFailure: f.past.last, BuriedAt: now,
		Origin: f.origin(), Replays: f.past.facts.Replays, Topic: f.To.Topic,
	}
	if l.FirstFailure.IsZero() { // no handler has seen it
		l.FirstFailure, l.LastFailure = now, now
	}
	var panicked *eventbus.PanicError
	if errors.As(err, &panicked) {
		l.Stack = panicked.Stack
	}
	if f.event != nil {
		l.Event = *f.event
		l.EventID, l.Type, l.TenantID = l.Event.ID, l.Event.Type, l.Event.TenantID
		l.AggregateType, l.AggregateID = l.Event.AggregateType, l.Event.AggregateID
	}
	header, body := f.Header, f.Body
	if f.Event != nil {
		header, body = wire.Encode(f.Event)
	}
	l.Body = body
	for _, h := range wire.StripFacts(header) {
		l.Headers = append(l.Headers, dlq.Header{Name: h.Name, Value: h.Value})
	}
	l.ID = dlq.NewID(l.Group, l.Subscriber, l.EventID, l.Origin, l.Replays)
	return &ending{letter: l, told: eventbus.Buried{
		Group: l.Group, Subscriber: l.Subscriber, Event: l.Event, LetterID: l.ID,
		Reason: string(reason), Attempts: l.Attempts, Stuck: f.past.stuck > 0, Err: err,
	}}
}

// texts is chain for an error that may no longer be readable.
func texts(err error) (out []string) {
	defer func() {
		if recover() != nil {
			out = []string{fmt.Sprintf("an error of type %T that cannot be read", err)}
		}
	}()
	return chain(err)
}

// chain returns the texts of an error and of what it wraps, outermost first. What
// says nothing that the one before did not say already is left out.
func chain(err error) []string {
	var out []string
	left := maxErrorText
	var walk func(error)
	walk = func(err error) {
		if err == nil || left <= 0 {
			return
		}
		text := cut(strings.ToValidUTF8(err.Error(), "\uFFFD"), left)
		if len(out) == 0 || out[len(out)-1] != text {
			out = append(out, text)
			left -= len(text)
		}
		switch e := err.(type) { //nolint:errorlint // the chain itself is what is wanted
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	walk(err)
	return out
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// replay sends a letter's message to its group again, with one replay more to its
// count. It is what the dead letters' queue is given to send with.
func (b *Bus) replay(ctx context.Context, l dlq.Letter) error {
	if b.closing.Load() {
		return eventbus.ErrClosed
	}
	m := Message{
		To:  Address{Topic: l.Topic, Group: l.Group + "." + l.Subscriber},
		Key: l.AggregateID, Type: l.Type, Body: l.Body,
	}
	readable := l.EventID != ""
	if b.backend.Traits.Reference && readable {
		m.Event, m.Body = &l.Event, nil
	} else {
		for _, h := range l.Headers {
			m.Header = append(m.Header, wire.Field{Name: h.Name, Value: h.Value})
		}
	}
	facts := wire.Facts{Origin: l.Origin, Replays: l.Replays + 1, Letter: lifeOf(&l)}
	m.Header = facts.Append(m.Header)
	if err := b.sender.move(ctx, m); err != nil {
		return fmt.Errorf("send to %s: %w", m.To.Group, err)
	}
	return nil
}

// lifeOf names a letter and which of its lives it is: one that was replayed comes back under
// its ID when its event, which was not acknowledged for certain, is handed over again.
func lifeOf(l *dlq.Letter) string {
	return l.ID + "/" + strconv.FormatInt(l.LastFailure.UnixNano(), 36)
}
