package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// trimmed is how many entries one script removes, and trimmedAt in how many topics that is
	// done at once: the server does nothing else meanwhile.
	trimmed   = 1000
	trimmedAt = 10
	// young is how old an entry must be to be removed: subscribers may be about to find its
	// topic.
	young = time.Minute
)

// trim removes what topics do not retain, for a while. Those where there is more come again
// after the others.
func (m *member) trim(ctx context.Context, until time.Time) error {
	t := m.transport
	owed, err := t.owed(ctx, m.chores.trim)
	if err != nil {
		m.chores.trim = nil
		return fmt.Errorf("redisbus: trim: %w", typed(err))
	}
	var errs []error
	for len(m.chores.trim) > 0 && time.Now().Before(until) {
		more, err := t.trim(ctx, firstOf(&m.chores.trim, trimmedAt), owed)
		m.chores.trim = append(m.chores.trim, more...)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// trim removes some of what topics do not retain, and returns in which of them there is more.
func (t *transport) trim(ctx context.Context, topics []string, owed map[string][]string) (more []string, err error) {
	calls := make([]call, len(topics))
	for i, topic := range topics {
		args := append([]any{t.options.Retain, trimmed, young.Milliseconds()}, list(owed[topic])...)
		calls[i] = call{[]string{t.names.stream(topic)}, args}
	}
	answers, errs := t.clients.runAll(ctx, trimScript, calls)
	for i, topic := range topics {
		said, _ := answers[i].([]any)
		switch {
		case errs[i] != nil:
			errs[i] = fmt.Errorf("redisbus: trim %s: %w", topic, typed(errs[i]))
			continue
		case len(said) != 3:
			errs[i] = fmt.Errorf("redisbus: trim %s: the server answers with %d parts", topic, len(said))
			continue
		}
		if held, _ := said[1].(int64); held > 0 {
			t.logger().Warn("redisbus: a topic is longer than Options.Retain: a group has not acknowledged its oldest events",
				slog.String("topic", topic), slog.Int("retain", t.options.Retain))
		}
		if left, _ := said[2].(int64); left > 0 {
			more = append(more, topic)
		}
	}
	return more, errors.Join(errs...)
}

// owed returns the groups that ask for something that may be in a topic.
func (t *transport) owed(ctx context.Context, topics []string) (map[string][]string, error) {
	var marks *redis.StringSliceCmd
	var groups *redis.MapStringStringCmd
	err := t.questions(ctx, func(pipe redis.Pipeliner) {
		marks, groups = pipe.SMembers(ctx, t.names.topics()), pipe.HGetAll(ctx, t.names.groups())
	})
	if err == nil {
		err = errors.Join(marks.Err(), groups.Err())
	}
	if err != nil {
		return nil, err
	}
	owed := map[string][]string{}
	for name, value := range groups.Val() {
		patterns := patternsOf(value)
		in := map[string]bool{}
		for _, mark := range append(marks.Val(), topics...) { // also those that nobody has made known
			if topic, ok := chosen(mark, patterns); ok && !in[topic] {
				in[topic] = true
				owed[topic] = append(owed[topic], name)
			}
		}
	}
	return owed, nil
}

// trimScript removes the oldest entries beyond the bound, as far as every group has
// acknowledged them and they are old, and about a mebibyte at a time. It returns how many it
// has removed, whether a group that needs them has kept it from more, and whether there is more
// to remove. Groups that are owed the topic and are not
// in it yet are named: without one of them nothing goes.
var trimScript = redis.NewScript(luaNow + luaRecord + luaLess + `
local key, keep, most, young = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local excess = redis.call('XLEN', key) - keep
if excess <= 0 then return {0, 0, 0} end
local function behind(id)
	local ms, seq = string.match(id, '^(%d+)-(%d+)$')
	if #seq > 15 then return id end -- no number of Lua's: one entry more stays
	return string.format('%s-%.0f', ms, tonumber(seq) + 1)
end
local there, need = {}, nil
for _, g in ipairs(redis.call('XINFO', 'GROUPS', key)) do
	local g = record(g)
	there[g.name] = true
	local id = behind(g['last-delivered-id'])
	if g.pending > 0 then
		local first = redis.call('XPENDING', key, g.name)[2]
		if first and less(first, id) then id = first end
	end
	if not need or less(id, need) then need = id end
end
for i = 4, #ARGV do
	if not there[ARGV[i]] then return {0, 1, 0} end
end
if not need then return {0, 0, 0} end
local n, bytes, few, last, from = 0, 0, 1, nil, '-'
most = math.min(excess, most)
while n < most and bytes < 1048576 do
	for _, e in ipairs(redis.call('XRANGE', key, from, '+', 'COUNT', math.min(most - n, few))) do
		n, last = n + 1, e[1]
		for _, field in ipairs(e[2]) do bytes = bytes + #field end
	end
	from, few = '(' .. last, math.min(few * 2, 16)
end
local upto = behind(last)
local age = string.format('%.0f-0', now() - young)
if less(age, upto) then upto = age end
local held = 0
if less(need, upto) then upto, held = need, 1 end
local removed = redis.call('XTRIM', key, 'MINID', '=', upto)
return {removed, held, (removed >= n and excess > n) and 1 or 0}`)
