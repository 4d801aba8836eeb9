-- KEYS of every script: the letters, their index, the counter, then leases. A key that
-- holds something else is found before anything is done.
for i, key in ipairs(KEYS) do
  local is, wants = redis.call('TYPE', key).ok, ({ 'hash', 'zset' })[i] or 'string'
  if is ~= 'none' and is ~= wants then
    return { 'WRONGTYPE', key, is, wants }
  end
end

-- members are those of the index for the letter: the one place that knows them. It is nil
-- where the letter's line cannot be read.
local function members(id, n, line)
  local readable, l = pcall(cjson.decode, line)
  if not readable or type(l) ~= 'table' or not (l.group and l.subscriber and l.reason and l.failed) then
    return nil
  end
  local tail = '\0' .. n .. '\0' .. id
  local group = '\0' .. l.group
  return {
    'a' .. tail,
    'g' .. group .. tail,
    's' .. group .. '\0' .. l.subscriber .. tail,
    't' .. group .. '\0' .. (l.type or '') .. tail,
    'r' .. group .. '\0' .. l.reason .. tail,
    'f' .. group .. '\0' .. l.failed .. tail,
  }
end
