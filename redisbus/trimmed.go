package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// missedScript returns how many entries were deleted before the group was handed them, and whether
// the number is exact. It makes the server's count of what the group has read agree with that,
// so that a loss is told once, by whichever process.
//
// Redis counts what was ever added to the stream and what each group has read. What was added is
// read, waits, or is lost. The count of a group is unknown (-1) where it began at an ID, and behind
// entries that were deleted one by one, until it has read all: then only what is known is
// told. A server before 7.4 has, when it starts again, the count of some time ago.
var missedScript = redis.NewScript(luaRecord + luaLess + `
local key, group = KEYS[1], ARGV[1]
local s, g = record(redis.call('XINFO', 'STREAM', key)), nil
for _, x in ipairs(redis.call('XINFO', 'GROUPS', key)) do
	local x = record(x)
	if x.name == group then g = x end
end
if not g then return {0, 1} end
local at, read, length = g['last-delivered-id'], g['entries-read'] or -1, s.length
local function settle(count) redis.call('XGROUP', 'SETID', key, group, at, 'ENTRIESREAD', string.format('%.0f', count)) end
local new = (redis.REDIS_VERSION_NUM or 0) >= 0x00070400
local waits
if length == 0 or not less(at, s['last-generated-id']) then
	waits = 0
elseif less(at, s['recorded-first-entry-id']) then
	waits = length
end
if new and waits then
	local gone = s['entries-added'] - waits
	if read ~= gone then settle(gone) end
	return {read >= 0 and math.max(0, gone - read) or 0, 1}
end
if read < 0 or not less(at, s['max-deleted-entry-id']) then return {0, 1} end
settle(-1)
if not new then return {1, 0} end
local bytes, few, from, es = 0, 1, '(' .. at
waits = 0
repeat
	es = redis.call('XRANGE', key, from, '+', 'COUNT', few)
	for _, e in ipairs(es) do
		waits, from = waits + 1, '(' .. e[1]
		for _, field in ipairs(e[2]) do bytes = bytes + #field end
	end
	if #es < few then return {math.max(0, s['entries-added'] - waits - read), 1} end
	few = math.min(few * 2, 64)
until bytes > 1048576 or waits >= 1000
return {1, 0}`)

// luaLess compares IDs, whose parts are no numbers of Lua's.
const luaLess = `
local function less(a, b)
	local function smaller(a, b) return #a < #b or (#a == #b and a < b) end
	local am, as = string.match(a, '^(%d+)-(%d+)$')
	local bm, bs = string.match(b, '^(%d+)-(%d+)$')
	if am ~= bm then return smaller(am, bm) end
	return smaller(as, bs)
end
`

// look looks, now and then and after a pause, whether entries were deleted that the group was
// not handed: before it reads on, which takes it behind them.
func (r *reader) look(ctx context.Context) error {
	if r.blind || time.Since(r.looked) < tidyEvery && time.Since(r.came) < lookout {
		return nil
	}
	stream := r.streams[fromTopic]
	answer, err := r.clients().run(ctx, missedScript, []string{stream}, r.member.group.Name)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(typed(err), ErrPermission):
		r.blind = true
		r.member.transport.logger().Warn("redisbus: whether entries are deleted before they are handled is not looked after",
			slog.String("stream", stream), slog.Any("error", err))
		return nil
	case err != nil && reply(err) == "":
		return fmt.Errorf("redisbus: look at %s: %w", stream, err)
	}
	r.looked = time.Now() // what else the server says against it, it says of the read
	if count := missed(answer); count != "" {
		return r.trimmed(stream, count)
	}
	return nil
}

// missed reads an answer of missedScript.
func missed(answer any) (count string) {
	said, _ := answer.([]any)
	if len(said) != 2 {
		return ""
	}
	n, _ := said[0].(int64)
	exact, _ := said[1].(int64)
	switch {
	case n == 0:
		return ""
	case exact == 0:
		return fmt.Sprintf("at least %d", n)
	}
	return fmt.Sprint(n)
}

// trimmed tells of entries that nobody will handle.
func (f *feedOf) trimmed(stream, count string) error {
	f.member.transport.logger().Warn("redisbus: entries were deleted or trimmed before they were handled",
		slog.String("stream", stream), slog.String("group", f.member.group.Name), slog.String("entries", count))
	return fmt.Errorf("redisbus: %s: %s entries: %w", stream, count, ErrTrimmed)
}
