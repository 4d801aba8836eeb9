-- ARGV: ID, holder, lease in ms. The letter, or 0: there is none, or 1: another holds it.
-- The holder is one call: one that is repeated, as its answer was lost, gets what it has.
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then
  return 0
end
local holder = redis.call('GET', KEYS[4])
if holder and holder ~= ARGV[2] then
  return 1
end
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[4], ARGV[2], 'PX', ARGV[3])
end
return value
