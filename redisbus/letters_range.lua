-- ARGV: bytes that the letters may have together, bounds of the range, members at most, where
-- in a member its place and its ID begin. Whether there may be more (1) or not (0), then what
-- there is of each member from its place on: of one at least, where there is one.
local left, count, place, name = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local found = redis.call('ZRANGE', KEYS[2], ARGV[2], ARGV[3], 'BYLEX', 'LIMIT', 0, count)
local out = { #found == count and 1 or 0 }
for i, member in ipairs(found) do
  left = left - redis.call('HSTRLEN', KEYS[1], string.sub(member, name))
  if left < 0 and i > 1 then
    out[1] = 1
    break
  end
  out[i + 1] = string.sub(member, place)
end
return out
