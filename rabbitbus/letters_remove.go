package rabbitbus

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/seed-28af575d/eventbus/dlq"
)

// Remove deletes those of the letters that are there, and returns their number: with an error
// that of the letters deleted before it. Of two callers that remove a letter, one counts it.
func (s *letterStore) Remove(ctx context.Context, ids ...string) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	n, err := within(ctx, s, func(ctx context.Context) (int, error) { return s.remove(ctx, ids) })
	if err != nil {
		return n, s.failed(ctx, "remove letters", err)
	}
	return n, nil
}

func (s *letterStore) remove(ctx context.Context, ids []string) (removed int, err error) {
	logs, err := s.logsOf(ctx, &dlq.Filter{})
	if err != nil {
		return 0, err
	}
	found, err := s.locate(ctx, logs, ids)
	if err != nil {
		return 0, err
	}
	for l, hits := range found {
		for part := range slices.Chunk(hits, s.bounds.remove) {
			n, err := s.removeFrom(ctx, l, part)
			removed += n
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

// removeFrom writes that the letters are removed, and reads which of them that has ended.
func (s *letterStore) removeFrom(ctx context.Context, l *letterLog, hits []letterHit) (int, error) {
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = h.id
	}
	body, err := json.Marshal(ids)
	if err != nil {
		return 0, err
	}
	record := letterRecordOf(letterRemoved, body)
	forget := l.await(record.MessageId)
	moment, err := s.write(ctx, l, record)
	if err == nil {
		err = s.viewPast(ctx, l, moment, func(x *letterIndex) { s.tidy(l, x) })
	}
	ends := forget()
	if err != nil {
		return len(ends.ended), err
	}
	gone := ends.gone(ids)
	if moment.twice { // it was heeded in the generation before, perhaps
		gone = ids
	}
	s.dropLeases(ctx, gone)
	return len(gone), nil
}
