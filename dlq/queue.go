package dlq

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

const (
	pageSize          = 100
	maxPageSize       = 1000
	defaultMaxReplays = 5
)

// Config is what a [Queue] is made of. Backends fill it in; Store, Groups and Send
// are required.
type Config struct {
	Store Store
	// Groups returns the service groups that the queue is bound to.
	Groups func() []string
	// Send publishes the letter's message to its own group again and returns nil
	// only when the backend has confirmed it. The message carries the letter's ID
	// and one replay more.
	Send func(ctx context.Context, l Letter) error
	// Now is the clock of the leases. Zero means time.Now.
	Now func() time.Time
	// MaxReplays is how often one event may be replayed. Zero means 5.
	MaxReplays int
}

// Queue is the dead letters of one bus: of its groups, in all processes. All its
// methods may be called concurrently, here and from other processes; errors match
// those of this package, [eventbus.ErrInvalid] for a bad argument, or ctx's.
type Queue struct {
	store      Store
	groups     func() []string
	send       func(ctx context.Context, l Letter) error
	now        func() time.Time
	maxReplays int
}

// Holder is implemented by buses that keep dead letters.
type Holder interface{ DeadLetters() *Queue }

// Of returns the dead letters of the bus, or of the bus that it wraps.
func Of(bus eventbus.EventBus) (*Queue, bool) {
	h, ok := eventbus.As[Holder](bus)
	if !ok {
		return nil, false
	}
	q := h.DeadLetters()
	return q, q != nil
}

// NewQueue returns a queue, or everything that is wrong with the configuration.
func NewQueue(c Config) (*Queue, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("eventbus: dead letters: %w", err)
	}
	q := &Queue{store: c.Store, groups: c.Groups, send: c.Send, now: c.Now, maxReplays: c.MaxReplays}
	if q.now == nil {
		q.now = time.Now
	}
	if q.maxReplays == 0 {
		q.maxReplays = defaultMaxReplays
	}
	return q, nil
}

func (c Config) validate() error {
	var errs []error
	for _, part := range []struct {
		field   string
		missing bool
	}{{"store", c.Store == nil}, {"groups", c.Groups == nil}, {"send", c.Send == nil}} {
		if part.missing {
			errs = append(errs, &eventbus.ValidationError{Field: part.field, Rule: "required"})
		}
	}
	if c.MaxReplays < 0 {
		errs = append(errs, &eventbus.ValidationError{Field: "max_replays", Rule: "must not be negative", Value: strconv.Itoa(c.MaxReplays)})
	}
	return errors.Join(errs...)
}

// List goes through the letters that match, oldest first, as of the beginning of
// each loop. An error ends it, and comes with the zero Letter.
func (q *Queue) List(ctx context.Context, f Filter) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		for letters, err := range q.pages(ctx, f) {
			if err != nil {
				yield(Letter{}, failed("list", err))
				return
			}
			for _, l := range letters {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}

// Page returns up to limit letters that match, oldest first, after the cursor:
// "" for the first page, then the Next of the page before, with the same filter.
// The listing ends at the end as of the first page; letters removed in between
// make it neither skip nor repeat others. Limit 0 means 100; more than 1,000 is
// 1,000.
func (q *Queue) Page(ctx context.Context, f Filter, after string, limit int) (Page, error) {
	if limit < 0 {
		return Page{}, failed("page", &eventbus.ValidationError{Field: "limit", Rule: "must not be negative", Value: strconv.Itoa(limit)})
	}
	if limit == 0 {
		limit = pageSize
	}
	bound, some, err := q.bind(ctx, f)
	if err != nil {
		return Page{}, failed("page", err)
	}
	if !some {
		return Page{}, nil
	}
	p, err := q.store.Page(ctx, bound, after, min(limit, maxPageSize))
	if err != nil {
		return Page{}, failed("page", err)
	}
	return p, nil
}

// Get returns one letter, taken or not, or [ErrNotFound].
func (q *Queue) Get(ctx context.Context, id string) (Letter, error) {
	l, err := q.find(ctx, id)
	if err != nil {
		return Letter{}, failedOne("get", id, err)
	}
	return l, nil
}

func (q *Queue) find(ctx context.Context, id string) (Letter, error) {
	for letters, err := range q.pages(ctx, Filter{IDs: []string{id}}) {
		if err != nil {
			return Letter{}, err
		}
		if len(letters) > 0 {
			return letters[0], nil
		}
	}
	return Letter{}, ErrNotFound
}

// Count returns how many letters match.
func (q *Queue) Count(ctx context.Context, f Filter) (int, error) {
	bound, some, err := q.bind(ctx, f)
	n := 0
	if some {
		n, err = Count(ctx, q.store, bound)
	}
	if err != nil {
		return 0, failed("count", err)
	}
	return n, nil
}

// pages goes through the letters that match, up to 100 at a time.
func (q *Queue) pages(ctx context.Context, f Filter) iter.Seq2[[]Letter, error] {
	return func(yield func([]Letter, error) bool) {
		bound, some, err := q.bind(ctx, f)
		if err != nil {
			yield(nil, err)
			return
		}
		for after := ""; some; some = after != "" {
			p, err := q.store.Page(ctx, bound, after, pageSize)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(p.Letters, nil) {
				return
			}
			after = p.Next
		}
	}
}

// bind checks the call and narrows the filter to the queue's groups; some is false
// if nothing is left of it.
func (q *Queue) bind(ctx context.Context, f Filter) (bound Filter, some bool, err error) {
	if ctx == nil {
		return f, false, &eventbus.ValidationError{Field: "ctx", Rule: "must not be nil"}
	}
	if err := errors.Join(f.Validate(), ctx.Err()); err != nil {
		return f, false, err
	}
	var groups []string
	for _, g := range q.groups() {
		if is(f.Group, g) && among(f.Groups, g) {
			groups = append(groups, g)
		}
	}
	f.Groups = groups
	return f, len(groups) > 0, nil
}

func failed(op string, err error) error {
	return fmt.Errorf("eventbus: dead letters: %s: %w", op, err)
}

// failedOne names the letter too: as it is, or quoted if that could garble a log.
func failedOne(op, id string, err error) error {
	const plain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.:/"
	if id == "" || len(id) > 64 || strings.Trim(id, plain) != "" {
		id = excerpt.Of(id)
	}
	return failed(op+" "+id, err)
}

// distinct returns the IDs once each.
func distinct(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}
