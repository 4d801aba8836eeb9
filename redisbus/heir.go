package redisbus

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// heir is the source of what was handed to processes that are gone: its lease has run
// out, or it was given back. It never starts with anything else, so that the engine is
// careful with all of it. What there is when it begins comes before anything new: it was
// published before, and who has given it back may have been this very subscriber.
type heir struct {
	feedOf
	settled chan struct{} // closed when there is nothing left of that
	begun   bool          // it is closed
}

var _ engine.Source = (*heir)(nil)

func newHeir(m *member, topic string) *heir {
	return &heir{feedOf: newFeedOf(m, topic, consumerName()+"-heir"), settled: make(chan struct{})}
}

// inheritScript claims entries that are idle for the lease and not of the consumer itself,
// and returns for each its ID, how often it was handed over, and its fields; then how
// many were deleted meanwhile, which the server drops.
var inheritScript = redis.NewScript(`
local key, group, me, lease, most = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local times, claim, n, from = {}, {'XCLAIM', key, group, me, lease}, 0, '-'
repeat
	local p = redis.call('XPENDING', key, group, 'IDLE', lease, from, '+', most)
	for _, e in ipairs(p) do
		from = '(' .. e[1]
		if e[2] ~= me and n < most then
			n = n + 1
			claim[#claim + 1] = e[1]
			times[e[1]] = e[4]
		end
	end
until #p < most or n >= most
if n == 0 then return {{}, 0} end
local out = {}
local got = redis.call(unpack(claim))
for _, e in ipairs(got) do
	if e then out[#out + 1] = {e[1], times[e[1]], e[2]} end
end
return {out, n - #out}`)

// Receive waits for a while, and then takes over what there is.
func (h *heir) Receive(ctx context.Context, most int) ([]*engine.Delivery, error) {
	if len(h.buffer) == 0 {
		if err := h.inherit(ctx, most); err != nil {
			return nil, err
		}
	}
	if len(h.buffer) > 0 {
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
	for which, stream := range h.streams {
		answer, err := h.clients().run(ctx, inheritScript, []string{stream},
			h.member.group.Name, h.consumer, lease, min(max(most, 1), 100))
		if noGroup(err) {
			continue // the reader makes it again
		}
		if err != nil {
			return fmt.Errorf("redisbus: take over in %s: %w", stream, typed(err))
		}
		if err := h.take(uint64(which), answer); err != nil {
			return err
		}
	}
	return nil
}

func (h *heir) take(which uint64, said any) error {
	answer, _ := said.([]any)
	if len(answer) != 2 {
		return fmt.Errorf("redisbus: the server answers with %d parts", len(answer))
	}
	entries, _ := answer[0].([]any)
	for _, x := range entries {
		part, _ := x.([]any)
		if len(part) != 3 {
			return fmt.Errorf("redisbus: the server answers with an entry of %d parts", len(part))
		}
		e := streamEntry{}
		e.id, _ = part[0].(string)
		e.fields, _ = part[2].([]any)
		times, _ := part[1].(int64)
		h.buffer = append(h.buffer, h.delivery(which, e, int(max(times, 1))))
	}
	if deleted, _ := answer[1].(int64); deleted > 0 {
		h.member.transport.logger().Warn("redisbus: entries were deleted or trimmed before they were handled",
			"stream", h.streams[which], "group", h.member.group.Name, "entries", deleted)
	}
	return nil
}

// Close gives back what was not acknowledged.
func (h *heir) Close(ctx context.Context) error { return h.leave(ctx) }
