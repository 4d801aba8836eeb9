package dlq

import (
	"context"
	"time"
)

// Store keeps the letters of a backend. Every call is idempotent by letter ID,
// and safe for concurrent use.
type Store interface {
	// Put stores the letter. One that is there already stays as it is.
	Put(ctx context.Context, l Letter) error
	// Page returns up to limit letters that match f, oldest first, after the given
	// cursor ("" is the start). It only looks: nothing changes, taken letters are
	// listed too, and the listing ends at the end as of the call with cursor "".
	Page(ctx context.Context, f Filter, after string, limit int) (Page, error)
	// Take leases the letter to exactly one caller: ErrTaken, ErrNotFound.
	Take(ctx context.Context, id string, lease time.Duration) (Letter, error)
	// Release ends the lease of a letter that is still there.
	Release(ctx context.Context, id string) error
	// Remove deletes letters, taken or not, and returns how many there were.
	Remove(ctx context.Context, ids ...string) (int, error)
}

// Page is a part of a listing.
type Page struct {
	Letters []Letter
	Next    string // cursor of the next page; "" after the last
}
