-- ARGV: bytes to read at most, then IDs. In pairs the number of the letter under each and its
-- size, as far as the bytes reach, and of the first in any case.
local left, out = tonumber(ARGV[1]), {}
for i = 2, #ARGV do
  local value = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  out[#out + 1], out[#out + 2] = string.sub(value, 1, 16), #value
  left = left - #value
  if left <= 0 then
    break
  end
end
return out
