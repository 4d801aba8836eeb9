package redisbus

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// moveMemory is how long a name is remembered: a move whose answer was lost is repeated
// well within that.
const moveMemory = time.Hour

// moveScript puts a message where a group alone finds it: into its stream, or aside until
// it is due. Under one name it does so once. Types are looked at before anything is
// written; the first write is the one that a full memory refuses. A user who may not do all
// of it has done none of it: nothing is doubled or lost when he tries again.
var moveScript = redis.NewScript(`
local own, later, held, moved = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, ce, data, delay, memory = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
` + luaNow + luaTypes + luaPut + `
expect(own, 'stream'); expect(later, 'zset'); expect(held, 'hash'); expect(moved, 'zset')
if redis.call('ZSCORE', moved, name) or redis.call('HEXISTS', held, name) == 1 then return 2 end
if delay > 0 then
	redis.call('ZADD', later, now() + delay, name)
	redis.call('HSET', held, name, ce .. '\n' .. data)
else
	put(own, moved, name, memory, ce, data)
end
return 1`)

// promoteScript puts what is due into the group's stream, oldest first and about a mebibyte
// at a time, and returns in how many ms the next is, or -1.
var promoteScript = redis.NewScript(`
local own, later, held, moved = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local most, memory = ARGV[1], ARGV[2]
` + luaNow + luaTypes + luaPut + `
expect(own, 'stream'); expect(later, 'zset'); expect(held, 'hash'); expect(moved, 'zset')
local at, bytes = now(), 0
local due = redis.call('ZRANGEBYSCORE', later, '-inf', at, 'LIMIT', 0, most)
for _, name in ipairs(due) do
	local m = redis.call('HGET', held, name)
	if m then
		local feed = string.find(m, '\n', 1, true)
		if not redis.call('ZSCORE', moved, name) then
			put(own, moved, name, memory, string.sub(m, 1, feed - 1), string.sub(m, feed + 1))
		end
		redis.call('HDEL', held, name)
		bytes = bytes + #m
	end
	redis.call('ZREM', later, name)
	if bytes > 1048576 then break end
end
local first = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')
if #first == 0 then return -1 end
return math.max(0, tonumber(first[2]) - at)`)

const (
	luaNow = `
local function now()
	local t = redis.call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end
`
	luaPut = `
local function put(own, moved, name, memory, ce, data)
	local at = now()
	local id = redis.call('XADD', own, '*', 'ce', ce, 'data', data)
	local said = redis.pcall('ZADD', moved, at + memory, name)
	if type(said) == 'table' and said.err then
		redis.call('XDEL', own, id)
		error(said)
	end
	redis.call('PEXPIRE', moved, memory)
	for _, old in ipairs(redis.call('ZRANGEBYSCORE', moved, '-inf', at, 'LIMIT', 0, 4)) do
		redis.call('ZREM', moved, old)
	end
end
`
	luaTypes = `
local function expect(key, want)
	local is = redis.call('TYPE', key).ok
	if is ~= 'none' and is ~= want then
		error(redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. is .. ', not a ' .. want))
	end
end
`
)

// move adds the command that moves a message to its group.
func (t *transport) move(ctx context.Context, pipe redis.Pipeliner, m *engine.Message, ce []byte) redis.Cmder {
	own := t.names.own(m.To.Topic, m.To.Group)
	name := moveName(m)
	delay := int64(0)
	if !m.NotBefore.IsZero() {
		delay = int64(math.Ceil(float64(m.NotBefore.Sub(t.now())) / float64(time.Millisecond)))
	}
	return moveScript.Eval(ctx, pipe, own.all(),
		name, ce, m.Body, delay, moveMemory.Milliseconds())
}

// moveName is the same for the same move, and only for that: of a retry the event, its place
// and what happened to it so far, of a replay the letter. The place alone does not do: other
// programs may choose the IDs of their entries, and use one again.
func moveName(m *engine.Message) string {
	f := wire.ReadFacts(m.Header)
	if f.Letter != "" && f.Attempts == 0 && f.Crashes == 0 {
		return fmt.Sprintf("letter/%s/%d", f.Letter, f.Replays)
	}
	h := fnv.New64a()
	for i := range m.Header {
		if name := m.Header[i].Name; name == "ce_id" || name == "ce_source" {
			_, _ = io.WriteString(h, m.Header[i].Value)
			_, _ = h.Write([]byte{0})
		}
	}
	return fmt.Sprintf("%s/%d/%d/%d/%x", f.Origin, f.Replays, f.Attempts, f.Crashes, h.Sum64())
}
