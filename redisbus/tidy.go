package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

const (
	// tidyEvery is how often a member tidies up.
	tidyEvery = 5 * time.Second
	// trimmed is how many entries one script removes, and trims how long scripts follow one
	// another in one topic.
	trimmed = 1000
	trims   = 200 * time.Millisecond
	// stale is how long a consumer that has nothing pending may be idle before it is removed.
	stale = time.Hour
	// young is how old an entry must be to be removed: subscribers may be about to find its
	// topic.
	young = time.Minute
)

// tidy removes, now and then, what nobody needs: consumers of processes that are gone, and
// old events if that is asked for.
func (m *member) tidy(ctx context.Context) error {
	if time.Since(m.tidied) < tidyEvery {
		return nil
	}
	m.tidied = time.Now()
	t, topics := m.transport, m.topics()
	// What is written down of the group may have been deleted alone.
	_, err := t.found(ctx, engine.Group{Name: m.group.Name, Patterns: m.group.Patterns})
	errs := []error{typed(err), m.dismiss(ctx, topics)}
	for _, topic := range topics {
		if err := t.trim(ctx, topic); err != nil {
			errs = append(errs, fmt.Errorf("redisbus: trim %s: %w", topic, typed(err)))
		}
	}
	return errors.Join(errs...)
}

// dismiss removes consumers of processes that are gone.
func (m *member) dismiss(ctx context.Context, topics []string) error {
	t := m.transport
	var streams [][]string
	for _, topic := range topics {
		streams = append(streams, []string{t.names.stream(topic)}, []string{t.names.own(topic, m.group.Name).stream})
	}
	_, errs := t.clients.runEach(ctx, consumersScript, streams, m.group.Name, stale.Milliseconds())
	for i, err := range errs {
		if noGroup(err) || reply(err) == "ERR" {
			errs[i] = nil
		} else if err != nil {
			errs[i] = fmt.Errorf("redisbus: remove old consumers of %s: %w", streams[i][0], typed(err))
		}
	}
	return errors.Join(errs...)
}

// consumersScript removes consumers that are idle and have nothing pending.
var consumersScript = redis.NewScript(luaRecord + `
local removed = 0
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
	local c = record(c)
	if c.pending == 0 and c.idle > tonumber(ARGV[2]) then
		redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c.name)
		removed = removed + 1
	end
end
return removed`)

// luaRecord makes a table of the flat list that XINFO returns for one thing.
const luaRecord = `
local function record(list)
	local t = {}
	for i = 1, #list, 2 do t[list[i]] = list[i + 1] end
	return t
end
`

// trimScript removes the oldest entries beyond the bound, as far as every group has
// acknowledged them and they are old, and about a mebibyte at a time. It returns how many it
// has removed, whether a group that needs them has kept it from more, and whether there is more
// to remove. Groups that are owed the topic and are not
// in it yet are named: without one of them nothing goes.
var trimScript = redis.NewScript(luaNow + luaRecord + `
local key, keep, most, young = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local excess = redis.call('XLEN', key) - keep
if excess <= 0 then return {0, 0, 0} end
local function parts(id) return string.match(id, '^(%d+)-(%d+)$') end
local function behind(id)
	local ms, seq = parts(id)
	if #seq > 15 then return id end -- no number of Lua's: one entry more stays
	return string.format('%s-%.0f', ms, tonumber(seq) + 1)
end
local function smaller(a, b) return #a < #b or (#a == #b and a < b) end
local function less(a, b)
	local am, as = parts(a)
	local bm, bs = parts(b)
	if am ~= bm then return smaller(am, bm) end
	return smaller(as, bs)
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

// trim removes what the topic does not retain.
func (t *transport) trim(ctx context.Context, topic string) error {
	if t.options.Retain == 0 {
		return nil
	}
	owed, err := t.owed(ctx, topic)
	if err != nil {
		return err
	}
	args := append([]any{t.options.Retain, trimmed, young.Milliseconds()}, list(owed)...)
	for began := time.Now(); time.Since(began) < trims; {
		answer, err := t.clients.run(ctx, trimScript, []string{t.names.stream(topic)}, args...)
		if err != nil {
			return err
		}
		said, _ := answer.([]any)
		if len(said) != 3 {
			return fmt.Errorf("the server answers with %d parts", len(said))
		}
		if held, _ := said[1].(int64); held > 0 {
			t.logger().Warn("redisbus: a topic is longer than Options.Retain: a group has not acknowledged its oldest events",
				slog.String("topic", topic), slog.Int("retain", t.options.Retain))
		}
		if more, _ := said[2].(int64); more == 0 {
			return nil
		}
	}
	return nil
}

// owed returns the groups that ask for something that may be in the topic.
func (t *transport) owed(ctx context.Context, topic string) (groups []string, err error) {
	c := t.clients.commands
	marks, err := ask(ctx, t.clients, func() ([]string, error) { return c.SMembers(ctx, t.names.topics()).Result() })
	if err != nil {
		return nil, err
	}
	all, err := ask(ctx, t.clients, func() (map[string]string, error) { return c.HGetAll(ctx, t.names.groups()).Result() })
	if err != nil {
		return nil, err
	}
	for name, value := range all {
		patterns := patternsOf(value)
		for _, m := range append(marks, topic) {
			if of, ok := chosen(m, patterns); ok && of == topic {
				groups = append(groups, name)
				break
			}
		}
	}
	return groups, nil
}

// patternsOf reads what is written down of a group: where it starts, then its patterns.
func patternsOf(value string) (patterns []eventbus.Pattern) {
	for i, word := range strings.Fields(value) {
		if i > 0 {
			patterns = append(patterns, eventbus.Pattern(word))
		}
	}
	return patterns
}
