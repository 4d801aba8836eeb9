package redisbus

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/dlq"
)

// letterStore keeps the letters of all groups under one prefix in Redis, for all
// processes. What one call does is done as a whole or not at all, except that Remove
// deletes letter by letter.
//
// No command holds up the server for more than some milliseconds: each handles at most a
// chunk of letters, and fewer where they are large. A call ends with its context.
type letterStore struct {
	clients *clients
	letters string // the key; those of the others begin with it
	owner   string // how the holders of this store's leases begin
	takes   atomic.Uint64
	bounds  letterBounds
}

// letterBounds are how much one command, and one call of Page, handles at most.
type letterBounds struct {
	chunk  int // letters of one command that reads
	remove int // letters of one command that deletes
	bytes  int // that one command reads, and one letter more
	chunks int // of one call of Page
}

var (
	_ dlq.Store   = (*letterStore)(nil)
	_ dlq.Counter = (*letterStore)(nil)
)

// newLetterStore returns the store of the letters under the prefix, which has no braces.
func newLetterStore(c *clients, prefix string) *letterStore {
	return &letterStore{
		clients: c, letters: "{" + prefix + ":dlq}", owner: rand.Text() + "/",
		bounds: letterBounds{chunk: 500, remove: 50, bytes: 1 << 20, chunks: 20},
	}
}

// Put stores the letter, in one step. The error matches dlq.ErrFull if the server's memory
// is full, and is an eventbus.ValidationError if the letter cannot be found again by what
// it says.
func (s *letterStore) Put(ctx context.Context, l dlq.Letter) error {
	doing := "store " + letterName(l.ID)
	if err := ctx.Err(); err != nil {
		return s.failed(ctx, doing, err)
	}
	line, err := encodeLetter(&l)
	if err != nil {
		return s.failed(ctx, doing, err)
	}
	if _, err = s.run(ctx, letterPut, nil, l.ID, line, l.Body); err == nil {
		return nil
	}
	if redis.IsOOMError(err) {
		err = fmt.Errorf("%w: %w", dlq.ErrFull, err)
	}
	return s.failed(ctx, doing, err)
}

// Take leases the letter to the caller.
func (s *letterStore) Take(ctx context.Context, id string, lease time.Duration) (dlq.Letter, error) {
	doing := "take " + letterName(id)
	if err := ctx.Err(); err != nil {
		return dlq.Letter{}, s.failed(ctx, doing, err)
	}
	holder := s.owner + strconv.FormatUint(s.takes.Add(1), 10)
	ms := (max(lease, 0) + time.Millisecond - 1).Milliseconds()
	reply, err := s.run(ctx, letterTake, []string{id}, id, holder, ms)
	switch {
	case err != nil:
		return dlq.Letter{}, s.failed(ctx, doing, err)
	case reply == int64(0):
		return dlq.Letter{}, dlq.ErrNotFound
	case reply == int64(1):
		return dlq.Letter{}, dlq.ErrTaken
	}
	_, l, err := decodeLetter(id, letterText(reply))
	if err != nil {
		return dlq.Letter{}, s.failed(ctx, doing, err)
	}
	return l.Complete(), nil
}

// Release ends the lease of the letter if it is one of this store, and not one of another
// process, which may have taken the letter when the lease was over.
func (s *letterStore) Release(ctx context.Context, id string) error {
	err := ctx.Err()
	if err == nil {
		_, err = s.run(ctx, letterRelease, []string{id}, s.owner)
	}
	if err != nil {
		return s.failed(ctx, "release "+letterName(id), err)
	}
	return nil
}

// Remove deletes those of the letters that are there, and returns their number: with an
// error that of the letters deleted before it.
func (s *letterStore) Remove(ctx context.Context, ids ...string) (int, error) {
	removed := 0
	if err := ctx.Err(); err != nil {
		return 0, s.failed(ctx, "remove letters", err)
	}
	for len(ids) > 0 {
		n, done, err := s.remove(ctx, ids[:min(len(ids), s.bounds.remove)])
		removed += n
		if err != nil {
			return removed, s.failed(ctx, "remove letters", err)
		}
		ids = ids[done:]
	}
	return removed, nil
}

// remove deletes the letters under the first IDs, at least one.
func (s *letterStore) remove(ctx context.Context, ids []string) (removed, done int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	args := make([]any, 1, 1+len(ids))
	args[0] = s.bounds.bytes
	for _, id := range ids {
		args = append(args, id)
	}
	reply, err := s.list(ctx, letterRemove, ids, args...)
	if err != nil {
		return 0, 0, err
	}
	var counts [2]int
	for i := range counts {
		if len(reply) <= i {
			return 0, 0, errLetterReply
		}
		n, err := letterNumber(reply[i])
		if err != nil {
			return 0, 0, err
		}
		counts[i] = int(n)
	}
	removed, done = counts[0], counts[1]
	if len(reply) > 2 {
		return removed, done, unreadableLetter(letterText(reply[2]), errLetterLine)
	}
	if done < 1 {
		return removed, done, errLetterReply
	}
	return removed, done, nil
}
