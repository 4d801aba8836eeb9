package dlq

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

const (
	maxText = 1 << 10
	maxIDs  = 10_000
)

// Filter selects letters; every field that is set must match. The zero Filter
// selects every letter: it lists and counts, but replays and purges nothing, for
// which [All] must be said.
type Filter struct {
	IDs           []string // any of these letters; at most 10,000
	Group         string   // the service group
	Subscriber    string   // the subscriber's name within its group
	Type          eventbus.Pattern
	AggregateType string
	AggregateID   string
	TenantID      string
	Reason        Reason
	After, Before time.Time // LastFailure in [After, Before)
	// Text occurs in one of the error texts, the event ID or the body, in upper or
	// lower case; at most 1 KiB.
	Text string
	// Groups are service groups, any of which matches. A Queue narrows them to those
	// of its own bus.
	Groups []string

	all bool
}

// All selects every letter of the queue's groups, on purpose: [Queue.Replay],
// [Queue.Purge] and [Queue.Trim] take it where they refuse the zero Filter.
var All = Filter{all: true}

// Match reports whether the filter, which is valid, selects the letter.
func (f Filter) Match(l Letter) bool { return f.match(&l) }

func (f *Filter) match(l *Letter) bool {
	return is(f.Group, l.Group) && among(f.Groups, l.Group) && is(f.Subscriber, l.Subscriber) &&
		among(f.IDs, l.ID) &&
		(f.Type == "" || f.Type.Match(l.Type)) &&
		is(f.AggregateType, l.AggregateType) && is(f.AggregateID, l.AggregateID) && is(f.TenantID, l.TenantID) &&
		is(f.Reason, l.Reason) &&
		(f.After.IsZero() || !l.LastFailure.Before(f.After)) &&
		(f.Before.IsZero() || l.LastFailure.Before(f.Before)) &&
		(f.Text == "" || l.contains(strings.ToLower(f.Text)))
}

func is[S ~string](want, got S) bool { return want == "" || want == got }

func among(wanted []string, got string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, got)
}

// contains reports whether the text, in lower case, occurs in the letter.
func (l *Letter) contains(text string) bool {
	return strings.Contains(strings.ToLower(l.EventID), text) ||
		slices.ContainsFunc(l.Errors, func(s string) bool { return strings.Contains(strings.ToLower(s), text) }) ||
		bytes.Contains(bytes.ToLower(l.Body), []byte(text))
}

// Validate returns everything that is wrong with the filter, joined; each is a
// [eventbus.ValidationError]. All methods of [Queue] call it.
func (f Filter) Validate() error {
	var errs []error
	add := func(field, rule, value string) {
		errs = append(errs, &eventbus.ValidationError{Field: field, Rule: rule, Value: value})
	}
	if len(f.IDs) > maxIDs {
		add("ids", "must be at most 10,000", strconv.Itoa(len(f.IDs)))
	}
	if err := (*eventbus.ValidationError)(nil); f.Type != "" && errors.As(f.Type.Validate(), &err) {
		add("type", err.Rule, err.Value)
	}
	if f.Reason != "" && !f.Reason.known() {
		add("reason", "must be one of the reasons of package dlq", excerpt.Of(string(f.Reason)))
	}
	if !f.Before.IsZero() && f.After.After(f.Before) {
		add("after", "must not be later than before, "+f.Before.Format(time.RFC3339Nano), f.After.Format(time.RFC3339Nano))
	}
	if len(f.Text) > maxText || !utf8.ValidString(f.Text) {
		add("text", "must be at most 1024 bytes of UTF-8", excerpt.Of(f.Text))
	}
	return errors.Join(errs...)
}

func (r Reason) known() bool {
	switch r {
	case HandlerError, Panic, Timeout, Undecodable, UnknownType, TooLarge, Expired, Crashed:
		return true
	}
	return false
}

// unset reports whether the filter selects everything without saying so.
func (f *Filter) unset() bool {
	return !f.all && len(f.IDs)+len(f.Groups) == 0 && f.After.IsZero() && f.Before.IsZero() &&
		f.Group+f.Subscriber+string(f.Type)+f.AggregateType+f.AggregateID+f.TenantID+string(f.Reason)+f.Text == ""
}
