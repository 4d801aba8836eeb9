-- ARGV: bounds of ranges, in pairs. The counter, then how many members each range has.
local out = { tonumber(redis.call('GET', KEYS[3]) or 0) }
for i = 1, #ARGV, 2 do
  out[#out + 1] = redis.call('ZLEXCOUNT', KEYS[2], ARGV[i], ARGV[i + 1])
end
return out
