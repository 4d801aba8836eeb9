-- ARGV: how the holders begin that may be released.
local holder = redis.call('GET', KEYS[4])
if holder and string.sub(holder, 1, #ARGV[1]) == ARGV[1] then
  redis.call('DEL', KEYS[4])
end
return 1
