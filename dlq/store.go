package dlq

import (
	"context"
	"time"
)

// Store keeps the letters of a backend, of all groups. Every call is idempotent by
// letter ID, and safe for concurrent use. Callers go through a [Queue], which
// binds the filters to groups and validates what it is given.
type Store interface {
	// Put stores the letter and returns nil once it is durable. One that is there
	// already stays as it is. [ErrFull] means that there is no room. The letter's
	// slices belong to the store from then on.
	Put(ctx context.Context, l Letter) error
	// Page returns up to limit letters that match f, oldest first, after the given
	// cursor ("" is the start). It only looks: nothing changes, taken letters are
	// listed too, and the listing ends at the end as of the call with cursor "".
	// Removals between two calls make it neither skip nor repeat other letters. A
	// cursor that is none of the store's is refused with a
	// [eventbus.ValidationError].
	Page(ctx context.Context, f Filter, after string, limit int) (Page, error)
	// Take leases the letter to exactly one caller: ErrTaken, ErrNotFound. After the
	// lease it is free again.
	Take(ctx context.Context, id string, lease time.Duration) (Letter, error)
	// Release ends the lease of a letter that is still there; of one that is not, it
	// does nothing.
	Release(ctx context.Context, id string) error
	// Remove deletes letters, taken or not, and returns how many there were.
	Remove(ctx context.Context, ids ...string) (int, error)
}

// Counter is implemented by stores that count faster than by listing.
type Counter interface {
	// Count returns how many letters match.
	Count(ctx context.Context, f Filter) (int, error)
}

// Count returns how many letters of the store match, of whatever group: callers of a
// bus have [Queue.Count].
func Count(ctx context.Context, s Store, f Filter) (int, error) {
	if c, ok := s.(Counter); ok {
		return c.Count(ctx, f)
	}
	n := 0
	for after, more := "", true; more; more = after != "" {
		p, err := s.Page(ctx, f, after, pageSize)
		if err != nil {
			return 0, err
		}
		n += len(p.Letters)
		after = p.Next
	}
	return n, nil
}

// Page is a part of a listing. It may hold fewer letters than asked for, even
// none, and not be the last: only Next tells.
type Page struct {
	Letters []Letter
	Next    string // cursor of the next page; "" after the last
}
