package kafkabus

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-28af575d/eventbus/dlq"
)

// Remove deletes those of the letters that are there, and returns their number: with an error
// that of the letters deleted before it. Of two callers that remove a letter, one counts it.
func (s *letterStore) Remove(ctx context.Context, ids ...string) (int, error) {
	err := s.open(ctx)
	n := 0
	if err == nil && len(ids) > 0 {
		n, err = s.remove(ctx, ids)
	}
	if err != nil {
		return n, s.failed(ctx, "remove letters", err)
	}
	return n, nil
}

func (s *letterStore) remove(ctx context.Context, ids []string) (removed int, err error) {
	found, err := s.locate(ctx, ids)
	if err != nil {
		return 0, err
	}
	for l, ids := range found {
		for part := range slices.Chunk(ids, s.bounds.batch) {
			n, err := s.removeFrom(ctx, l, part)
			removed += n
			if errors.Is(err, errLettersMissing) {
				break
			}
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

// removeFrom ends letters of a group, with the claims on them, and reads which of them that has
// ended. Meanwhile no other call of this store uses the log: it could read those records first.
func (s *letterStore) removeFrom(ctx context.Context, l *letterLog, ids []string) (removed int, err error) {
	err = l.taking(ctx, func() error {
		if err := s.refresh(ctx, l, nil); err != nil {
			return err
		}
		var keys []string
		for _, id := range ids {
			if _, ok := l.index.byID[id]; ok {
				keys = append(append(keys, id), l.index.claimsOn(id)...)
			}
		}
		for part := range slices.Chunk(keys, s.bounds.batch) {
			n, err := s.end(ctx, l, part)
			removed += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		for _, id := range ids {
			s.let(id)
		}
	}
	return removed, err
}

// end writes that there is nothing under the keys any more, and returns how many letters that has
// ended. Of what had to be written twice it cannot be told apart what others have ended meanwhile. The
// caller has the turn, and has read on.
func (s *letterStore) end(ctx context.Context, l *letterLog, keys []string) (removed int, err error) {
	from := l.next
	p, twice, err := s.insist(ctx, l, tombs(keys)...)
	if err != nil {
		return 0, err
	}
	if !twice {
		from = p.base
	}
	err = s.refresh(ctx, l, func(offset int64, id string) {
		if offset >= from && offset < p.base+int64(len(keys)) && slices.Contains(keys, id) {
			removed++
		}
	})
	return removed, err
}

// locate says which of the letters are in the log of which group, as far as indexes know or, if none
// does, as the logs say. Those that an index knew may have gone.
func (s *letterStore) locate(ctx context.Context, ids []string) (map[*letterLog][]string, error) {
	found, left := map[*letterLog][]string{}, map[string]bool{}
	for _, id := range ids {
		left[id] = true
	}
	look := func(l *letterLog) func(x *letterIndex) {
		return func(x *letterIndex) {
			for id := range left {
				if _, ok := x.byID[id]; ok {
					found[l] = append(found[l], id)
					delete(left, id)
				}
			}
		}
	}
	for _, l := range s.known() {
		err := l.taking(ctx, func() error {
			look(l)(l.index)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(left) == 0 {
		return found, nil
	}
	logs, err := s.logsOf(ctx, &dlq.Filter{})
	for i := 0; i < len(logs) && err == nil && len(left) > 0; i++ {
		err = s.view(ctx, logs[i], look(logs[i]))
	}
	return found, err
}

// find returns the log that the letter is in, or dlq.ErrNotFound.
func (s *letterStore) find(ctx context.Context, id string) (*letterLog, error) {
	found, err := s.locate(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	for l := range found {
		return l, nil
	}
	return nil, dlq.ErrNotFound
}
