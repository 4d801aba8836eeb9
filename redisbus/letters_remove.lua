-- ARGV: bytes to read at most, then IDs, in the order of the leases. How many letters there
-- were, how many IDs are done, and the letter that cannot be read, if that is why it ended.
local left, removed = tonumber(ARGV[1]), 0
for i = 2, #ARGV do
  local id = ARGV[i]
  local value = redis.call('HGET', KEYS[1], id)
  if value then
    local feed = #value > 17 and string.find(value, '\n', 18, true)
    local of = feed and members(id, string.sub(value, 1, 16), string.sub(value, 18, feed - 1))
    if not of then
      return { removed, i - 2, id }
    end
    redis.call('ZREM', KEYS[2], unpack(of))
    redis.call('HDEL', KEYS[1], id)
    removed, left = removed + 1, left - #value
  end
  redis.call('DEL', KEYS[i + 2])
  if left <= 0 then
    return { removed, i - 1 }
  end
end
return { removed, #ARGV - 1 }
