package redisbus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// heir is the source of what was handed to processes that are gone: its lease has run
// out, or it was given back. It never starts with anything else, so that the engine is
// careful with all of it. What there is when it begins comes before anything new: it was
// published before, and who has given it back may have been this very subscriber.
type heir struct {
	*feedOf
	settled chan struct{} // closed when there is nothing left of that
	begun   bool          // it is closed
	missed  error         // what was deleted of that, and nobody was told yet
	unsure  [2]bool       // an answer was lost: what stood in it is pending for this consumer

	hold sync.Mutex
	has  map[engine.Receipt]bool // what came and was not acknowledged
}

var _ engine.Source = (*heir)(nil)

// heirMark parts the names of an heir and of its member, which has no blank.
const heirMark = " heir-"

func newHeir(m *member, topic string) *heir {
	return &heir{feedOf: newFeedOf(m, topic, m.name+heirMark+strings.ToLower(rand.Text()[:8])), settled: make(chan struct{}), has: map[engine.Receipt]bool{}}
}

// inheritScript claims entries that are idle for the lease and not of the consumer itself,
// at most so many, and fewer where they are large. If an answer was lost, it claims those
// of the consumer first that it does not know of: it names those that it does. It returns for each
// its ID, how often it was handed over, and its fields; then how many were deleted
// meanwhile, which the server drops; then whether there are more.
var inheritScript = redis.NewScript(`
local key, group, me, lease, most, unsure = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local times, ids, has = {}, {}, {}
for i = 6, #ARGV do has[ARGV[i]] = true end
local function look(wanted, ...)
	local from, p = '-'
	repeat
		local ask = {'XPENDING', key, group}
		for _, x in ipairs({...}) do
			if x == 'FROM' then x = from end
			ask[#ask + 1] = x
		end
		p = redis.call(unpack(ask))
		for _, e in ipairs(p) do
			from = '(' .. e[1]
			if #ids < most and wanted(e) then
				ids[#ids + 1] = e[1]
				times[e[1]] = e[4]
			end
		end
	until #p < most or #ids >= most
end
if unsure == '1' then
	look(function(e) return not has[e[1]] end, 'FROM', '+', most, me)
end
look(function(e) return e[2] ~= me end, 'IDLE', lease, 'FROM', '+', most)
local out, done, deleted, bytes, few = {}, 0, 0, 0, 1
while done < #ids and bytes < 1048576 do
	local claim = {'XCLAIM', key, group, me, 0}
	for i = done + 1, math.min(done + few, #ids) do claim[#claim + 1] = ids[i] end
	local n = #claim - 5
	for _, e in ipairs(redis.call(unpack(claim))) do
		if e then
			n = n - 1
			out[#out + 1] = {e[1], times[e[1]], e[2]}
			for _, field in ipairs(e[2]) do bytes = bytes + #field end
		end
	end
	deleted, done, few = deleted + n, done + #claim - 5, math.min(few * 2, 8)
end
return {out, deleted, (done < #ids or #ids >= most) and 1 or 0}`)

// Receive waits for a while, and then takes over what there is.
func (h *heir) Receive(ctx context.Context, most int) ([]*engine.Delivery, error) {
	if h.empty() {
		if err := h.inherit(ctx, most); err != nil {
			return nil, err
		}
	}
	if err := h.missed; err != nil {
		h.missed = nil
		return nil, err
	}
	if !h.empty() {
		return h.hand(most), nil
	}
	if !h.begun {
		h.begun = true
		close(h.settled)
	}
	timer := time.NewTimer(min(lookout, h.member.transport.options.Lease/10))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *heir) inherit(ctx context.Context, most int) error {
	lease := h.member.transport.options.Lease.Milliseconds()
	asked := h.portion.of(min(most, 100))
	for which, stream := range h.streams {
		args := []any{h.member.group.Name, h.consumer, lease, asked, 0}
		if h.unsure[which] {
			args = append(append(args[:4], 1), h.holds(uint64(which))...)
		}
		answer, err := h.clients().run(ctx, inheritScript, []string{stream}, args...)
		h.portion.came(asked, err)
		was := h.unsure[which]
		h.unsure[which] = err != nil && !noGroup(err)
		if noGroup(err) {
			continue // the reader makes it again
		}
		if err != nil {
			return fmt.Errorf("redisbus: take over in %s: %w", stream, typed(err))
		}
		more, err := h.take(uint64(which), answer)
		if err != nil {
			return err
		}
		h.unsure[which] = was && more
	}
	return nil
}

// take reads an answer, and returns whether there is more.
func (h *heir) take(which uint64, said any) (more bool, err error) {
	answer, _ := said.([]any)
	if len(answer) != 3 {
		return false, fmt.Errorf("redisbus: the server answers with %d parts", len(answer))
	}
	entries, _ := answer[0].([]any)
	for _, x := range entries {
		part, _ := x.([]any)
		if len(part) != 3 {
			return false, fmt.Errorf("redisbus: the server answers with an entry of %d parts", len(part))
		}
		id, _ := part[0].(string)
		e := streamEntry{id: []byte(id)}
		fields, _ := part[2].([]any)
		for _, x := range fields {
			text, _ := x.(string)
			e.fields = append(e.fields, []byte(text))
		}
		times, _ := part[1].(int64)
		d := h.delivery(which, e, int(max(times, 1)))
		h.note(d.Receipt)
		h.put(d)
	}
	if deleted, _ := answer[1].(int64); deleted > 0 {
		h.missed = errors.Join(h.missed, h.trimmed(h.streams[which], fmt.Sprint(deleted)))
	}
	left, _ := answer[2].(int64)
	return left > 0, nil
}

// note remembers what came.
func (h *heir) note(r engine.Receipt) {
	h.hold.Lock()
	defer h.hold.Unlock()
	h.has[r] = true
}

// holds returns the IDs of what came from the stream and is not settled.
func (h *heir) holds(which uint64) (ids []any) {
	h.hold.Lock()
	defer h.hold.Unlock()
	for r := range h.has {
		if r.N == which {
			ids = append(ids, r.S)
		}
	}
	return ids
}

func (h *heir) forget(rs []engine.Receipt) {
	h.hold.Lock()
	defer h.hold.Unlock()
	for _, r := range rs {
		delete(h.has, r)
	}
}

// Ack acknowledges, and forgets.
func (h *heir) Ack(ctx context.Context, rs []engine.Receipt) error {
	err := h.feedOf.Ack(ctx, rs)
	if err == nil {
		h.forget(rs)
	}
	return err
}

// Keep extends the leases, and forgets what others have.
func (h *heir) Keep(ctx context.Context, rs []engine.Receipt) ([]engine.Receipt, error) {
	lost, err := h.feedOf.Keep(ctx, rs)
	h.forget(lost)
	return lost, err
}

// Close gives back what was not acknowledged.
func (h *heir) Close(ctx context.Context) error { return h.leave(ctx) }
