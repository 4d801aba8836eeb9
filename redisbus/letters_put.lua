-- ARGV: ID, line, body. 1: stored, 0: it was there. The first write is one that a full
-- memory refuses; after it none is. The letter itself comes last: a user who may not do
-- everything has not stored it.
local id, line = ARGV[1], ARGV[2]
if redis.call('HEXISTS', KEYS[1], id) == 1 then
  return 0
end
local n = string.format('%016x', redis.call('INCR', KEYS[3]))
local add = { 'ZADD', KEYS[2] }
for _, member in ipairs(members(id, n, line)) do
  add[#add + 1] = 0
  add[#add + 1] = member
end
redis.call(unpack(add))
redis.call('HSET', KEYS[1], id, n .. '\n' .. line .. '\n' .. ARGV[3])
return 1
