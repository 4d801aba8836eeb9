package redisbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// feedOf is what the two sources of a topic have in common: one consumer of the group,
// of the topic's stream and of the group's own.
type feedOf struct {
	member   *member
	topic    string
	consumer string
	streams  [2]string // fromTopic, fromOwn
	portion  portion

	mu     sync.Mutex
	buffer []*engine.Delivery // what was read and not handed out yet
}

func newFeedOf(m *member, topic, consumer string) *feedOf {
	n := m.transport.names
	return &feedOf{
		member: m, topic: topic, consumer: consumer,
		streams: [2]string{fromTopic: n.stream(topic), fromOwn: n.own(topic, m.group.Name).stream},
	}
}

func (f *feedOf) clients() *clients { return f.member.transport.clients }

// hand returns what was read and not handed out yet, at most so many.
func (f *feedOf) hand(most int) []*engine.Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(f.buffer), max(most, 1))
	ds := f.buffer[:n:n]
	f.buffer = f.buffer[n:]
	return ds
}

func (f *feedOf) put(d *engine.Delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffer = append(f.buffer, d)
}

func (f *feedOf) empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.buffer) == 0
}

// inStock are the receipts of what is in the buffer.
func (f *feedOf) inStock() (rs []engine.Receipt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.buffer {
		rs = append(rs, d.Receipt)
	}
	return rs
}

// discard takes what others have out of the buffer.
func (f *feedOf) discard(lost []engine.Receipt) {
	if len(lost) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffer = slices.DeleteFunc(f.buffer, func(d *engine.Delivery) bool { return slices.Contains(lost, d.Receipt) })
}

// byStream sorts receipts: the IDs of each of the streams.
func byStream(rs []engine.Receipt) (ids [2][]string) {
	for i := range rs {
		ids[rs[i].N] = append(ids[rs[i].N], rs[i].S)
	}
	return ids
}

// withIDs is a command with the IDs of one of the streams, or nil where there are none. It
// points to copies of them, which takes no allocation for each: rs is the engine's again
// when Ack has returned, though the command may be under way still.
func withIDs(rs []engine.Receipt, which uint64, command ...any) []any {
	n := 0
	for i := range rs {
		if rs[i].N == which {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	args := append(make([]any, 0, len(command)+n), command...)
	ids := make([]string, 0, n)
	for i := range rs {
		if rs[i].N == which {
			ids = append(ids, rs[i].S)
			args = append(args, &ids[len(ids)-1])
		}
	}
	return args
}

// Ack acknowledges in one round trip. What is no longer pending stays as it is. What was
// for this group alone is deleted with that.
func (f *feedOf) Ack(ctx context.Context, rs []engine.Receipt) error {
	pipe := f.clients().commands.Pipeline()
	add := func(args []any) {
		if args != nil {
			_ = pipe.Process(ctx, redis.NewIntCmd(ctx, args...))
		}
	}
	for which := range f.streams {
		add(withIDs(rs, uint64(which), "xack", f.streams[which], f.member.group.Name))
	}
	add(withIDs(rs, fromOwn, "xdel", f.streams[fromOwn]))
	_, err := ask(ctx, f.clients(), func() ([]redis.Cmder, error) { return pipe.Exec(ctx) })
	return typed(err)
}

// keepScript extends the leases of those entries that are still the consumer's, and
// returns the others.
var keepScript = redis.NewScript(`
local mine, lost = {}, {}
for i = 3, #ARGV do
	local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
	if #p > 0 then mine[#mine + 1] = ARGV[i] else lost[#lost + 1] = ARGV[i] end
end
if #mine > 0 then
	local claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0}
	for _, id in ipairs(mine) do claim[#claim + 1] = id end
	claim[#claim + 1] = 'JUSTID'
	redis.call(unpack(claim))
end
return lost`)

// kept is how many leases one script extends: a few hundred microseconds of the server.
const kept = 200

// Keep extends the leases, those of what waits in the buffer too, and returns those that
// others have.
func (f *feedOf) Keep(ctx context.Context, rs []engine.Receipt) (lost []engine.Receipt, err error) {
	defer func() { f.discard(lost) }()
	for which, ids := range byStream(append(f.inStock(), rs...)) {
		for len(ids) > 0 {
			n := min(kept, len(ids))
			answer, err := f.clients().run(ctx, keepScript, []string{f.streams[which]},
				append([]any{f.member.group.Name, f.consumer}, list(ids[:n])...)...)
			if err != nil && !noGroup(err) { // without a group nobody has them
				return lost, fmt.Errorf("redisbus: extend leases in %s: %w", f.streams[which], typed(err))
			}
			gone, _ := answer.([]any)
			for _, id := range gone {
				id, _ := id.(string)
				lost = append(lost, engine.Receipt{N: uint64(which), S: id})
			}
			ids = ids[n:]
		}
	}
	return lost, nil
}

// leaveScript gives back what the consumer has not acknowledged, at most so many at a
// time and from an ID on: others may take it over at once. It returns where to go on, or
// "", and removes the consumer when there was nothing to give back.
var leaveScript = redis.NewScript(`
local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[5], '+', ARGV[4], ARGV[2])
if #p == 0 then
	if ARGV[5] == '-' then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
	return ''
end
local last = p[#p][1]
local claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0}
for _, e in ipairs(p) do claim[#claim + 1] = e[1] end
for _, x in ipairs({'IDLE', ARGV[3], 'JUSTID'}) do claim[#claim + 1] = x end
redis.call(unpack(claim))
return #p < tonumber(ARGV[4]) and '' or '(' .. last`)

// long is the idle time of what was given back, in ms: longer than any lease.
const long = 86_400_000

// leave gives everything back.
func (f *feedOf) leave(ctx context.Context) error {
	var errs []error
	for _, stream := range f.streams {
		for from := "-"; from != ""; {
			answer, err := f.clients().run(ctx, leaveScript, []string{stream}, f.member.group.Name, f.consumer, long, 1000, from)
			if err != nil && !noGroup(err) {
				errs = append(errs, fmt.Errorf("redisbus: give back what was not handled in %s: %w", stream, typed(err)))
			}
			from, _ = answer.(string)
		}
	}
	return errors.Join(errs...)
}
