package redisbus

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/seed-28af575d/eventbus/dlq"
)

// letterWalk goes through a section of the index, or through the letters under IDs.
type letterWalk struct {
	store   *letterStore
	filter  dlq.Filter
	section letterSection
	at      letterPlace // of the last letter that was looked at
	end     uint64
	found   []letterRecord // byID: those to come, without their values
	ended   bool
}

// letterRecord is a letter as it stands in Redis; the value is empty if it is not there.
type letterRecord struct {
	place letterPlace
	id    string
	size  int // of the value, where that has not been read
	value string
}

func (w *letterWalk) cursor() letterCursor {
	return letterCursor{kind: w.section.kind, at: w.at, end: w.end}
}

// next reads a chunk of up to count letters and hands over those that match, until visit
// returns false.
func (w *letterWalk) next(ctx context.Context, count int, visit func(*letterLine) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	records, more, err := w.read(ctx, count)
	if err != nil {
		return err
	}
	for i, r := range records {
		w.at = r.place
		l, err := w.match(r)
		if err != nil {
			return err
		}
		if l != nil && !visit(l) {
			w.ended = !more && i == len(records)-1
			return nil
		}
	}
	w.ended = !more
	return nil
}

// match returns the letter if it is there, was when the listing began, and is selected.
func (w *letterWalk) match(r letterRecord) (*letterLine, error) {
	if r.value == "" || r.place.n > w.end {
		return nil, nil
	}
	n, l, err := decodeLetter(r.id, r.value)
	if err != nil {
		return nil, err
	}
	if n != r.place.n || !w.filter.Match(l.Letter) {
		return nil, nil
	}
	return l, nil
}

// read returns the next records, and whether there may be more behind them. It is one at
// least, if there is one, and else no more than may be read at once.
func (w *letterWalk) read(ctx context.Context, count int) (records []letterRecord, more bool, err error) {
	if w.section.kind == byID {
		records = w.nextFound(count)
		more = len(w.found) > 0
	} else {
		records, more, err = w.readRange(ctx, count)
	}
	if err != nil || len(records) == 0 {
		return nil, false, err
	}
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.id
	}
	c := w.store.clients
	values, err := ask(ctx, c, func() ([]any, error) { return c.commands.HMGet(ctx, w.store.letters, ids...).Result() })
	if err != nil {
		return nil, false, err
	}
	if len(values) != len(records) {
		return nil, false, errLetterReply
	}
	for i, v := range values {
		records[i].value = letterText(v) // nil if it was removed meanwhile
	}
	return records, more, nil
}

var errLetterMember = errors.New("its place in the index is none")

// readRange reads a part of the index.
func (w *letterWalk) readRange(ctx context.Context, count int) (records []letterRecord, more bool, err error) {
	x, s := w.section, w.store
	place := len(x.prefix) + 1 // Lua counts from 1
	reply, err := s.list(ctx, letterRange, nil,
		s.bounds.bytes, x.behind(w.at), x.upTo(w.end), count, place, place+x.width()+1)
	if err != nil {
		return nil, false, err
	}
	if len(reply) == 0 {
		return nil, false, errLetterReply
	}
	for _, v := range reply[1:] {
		member := letterText(v)
		if len(member) <= x.width() {
			return nil, false, errLetterReply
		}
		id := member[x.width()+1:]
		p, ok := x.parsePlace(member[:x.width()])
		if !ok {
			return nil, false, unreadableLetter(id, errLetterMember)
		}
		records = append(records, letterRecord{place: p, id: id})
	}
	return records, reply[0] == int64(1), nil
}

// nextFound takes the next ones of those that were found.
func (w *letterWalk) nextFound(count int) []letterRecord {
	n, left := 0, w.store.bounds.bytes
	for n < min(count, len(w.found)) && (n == 0 || w.found[n].size <= left) {
		left -= w.found[n].size
		n++
	}
	records := w.found[:n]
	w.found = w.found[n:]
	return records
}

// find looks for the letters under the IDs that are still to come, and puts them in order.
func (w *letterWalk) find(ctx context.Context, ids []string) error {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	for ids = slices.Compact(ids); len(ids) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		heads, err := w.store.heads(ctx, ids[:min(len(ids), w.store.bounds.chunk)])
		if err != nil {
			return err
		}
		for _, r := range heads {
			if r.place.behind(w.at) && r.place.n <= w.end {
				w.found = append(w.found, r)
			}
		}
		ids = ids[len(heads):]
	}
	slices.SortFunc(w.found, func(a, b letterRecord) int { return cmp.Compare(a.place.n, b.place.n) })
	w.ended = len(w.found) == 0
	return nil
}

// heads returns what there is under the first IDs, at least one; the place is zero where
// there is no letter.
func (s *letterStore) heads(ctx context.Context, ids []string) ([]letterRecord, error) {
	args := make([]any, 1, 1+len(ids))
	args[0] = s.bounds.bytes
	for _, id := range ids {
		args = append(args, id)
	}
	reply, err := s.list(ctx, letterHeads, nil, args...)
	if err != nil {
		return nil, err
	}
	if len(reply) < 2 || len(reply)%2 != 0 || len(reply) > 2*len(ids) {
		return nil, errLetterReply
	}
	records := make([]letterRecord, len(reply)/2)
	for i := range records {
		size, err := letterNumber(reply[2*i+1])
		if err != nil {
			return nil, err
		}
		n, ok := parseLetterHex(letterText(reply[2*i]))
		if !ok && size > 0 {
			return nil, unreadableLetter(ids[i], errLetterLine)
		}
		records[i] = letterRecord{place: letterPlace{n: n}, id: ids[i], size: int(size)}
	}
	return records, nil
}
