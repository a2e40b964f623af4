-- One change set: every check first, in the contract's order; then every write. The second part calls nothing that
-- can fail: the types of the keys have been seen, and memory is judged at the first write.
local at = 0
local function next_argument()
  at = at + 1
  return ARGV[at]
end
local function count()
  return tonumber(next_argument())
end
local function several()
  local words = {}
  for n = 1, count() do
    words[n] = next_argument()
  end
  return words
end

-- What is asked of the home, all of it by one command. What is read of the others tells whether they are what they should.
local asked = { '.redo', '.head' }
-- One server holds all keys: there KEYS[8] is the set of names that this home's belongs to, and the fourth argument the
-- name. A cluster holds it elsewhere, and the argument tells whether it is in.
local NAMES = KEYS[8]
local id, given, not_after, name = next_argument(), next_argument(), next_argument(), next_argument()
local versions = {}
for n = 1, count() do
  asked[n + 2], versions[n] = next_argument(), next_argument()
end
-- Of writes to one field the last counts.
local fields, values, lines, adds, place = {}, {}, {}, {}, {}
for n = 1, count() do
  local kind, field = next_argument(), next_argument()
  if kind == 'add' then
    adds[#adds + 1] = { n - 1, field, count(), count(), count() }
    asked[#asked + 1] = field
  else
    local which = place[field] or #fields + 1
    place[field], fields[which] = which, field
    if kind == 'put' then
      values[which], lines[which] = next_argument(), several()
    else
      values[which], lines[which] = false, {}
    end
  end
end
for _, key in ipairs({ INDEX, LOG, PERSONAL, WHO }) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= ((key == INDEX or key == WHO) and 'zset' or 'hash') then
    return redis.error_reply('ROSTER ' .. key .. ' is a ' .. found)
  end
end

local home = fields_of(HOME, asked)
if home[1] then
  heal()
  home = fields_of(HOME, asked)
end
if redis.call('ZSCORE', DONE, id) then
  -- Whoever finished it may have left the name in.
  if NAMES and redis.call('EXISTS', HOME) == 0 then
    redis.call('ZREM', NAMES, name)
  end
  return { 'before' }
end
local now = given == '' and clock() or tonumber(given)
if not_after ~= '' and now > tonumber(not_after) then
  return { 'late' }
end
for n, version in ipairs(versions) do
  local value = home[n + 2]
  if (value and string.sub(value, 1, 26) or '') ~= version then
    return { 'conflict', n - 1 }
  end
end
local sums, put, removed = {}, {}, {}
for n, add in ipairs(adds) do
  local number, field, by, low, high = unpack(add)
  local sum = (sums[field] or tonumber(home[#versions + 2 + n] or '0')) + by
  if sum < low or sum > high or math.abs(sum) >= 9007199254740992 then
    return { 'bounds', number }
  end
  sums[field] = sum
end
for n, field in ipairs(fields) do
  if values[n] then
    put[#put + 1] = field
    put[#put + 1] = values[n]
  else
    removed[#removed + 1] = field
  end
end
for field, sum in pairs(sums) do
  put[#put + 1] = field
  put[#put + 1] = decimal(sum)
end
local is_new = (NAMES or name == '') and not home[2] and redis.call('EXISTS', HOME) == 0
if is_new and not NAMES then
  return { 'register' }
end

local head = ''
if next_argument() == 'entry' then
  local start, time, digest, body, personal = next_argument(), count(), next_argument(), next_argument(), next_argument()
  local terms = several()
  local expected, foreseen, raw = next_argument(), next_argument(), next_argument()
  local before = home[2] or start
  local seq, last, hash = string.match(before, '^(%d+) (%d+) (%x+)$')
  seq, time = tonumber(seq) + 1, math.max(tonumber(last), time)
  if before == expected then
    hash = foreseen
  else
    hash = sha256(bytes_of(hash) .. be64(seq) .. be64(time) .. digest)
    raw = bytes_of(hash)
  end
  head = decimal(seq) .. ' ' .. decimal(time) .. ' ' .. hash
  local number = string.format('%016x', seq)
  -- The entry comes first of all writes.
  write('HSET', LOG, number, string.format('%020.0f', time) .. raw .. id .. body)
  if personal ~= '' then
    write('HSET', PERSONAL, number, personal)
  end
  local found_by = {}
  for n, term in ipairs(terms) do
    found_by[2 * n - 1], found_by[2 * n] = '0', term .. '\0' .. number
  end
  write_all('ZADD', WHO, found_by)
  put[#put + 1] = '.head'
  put[#put + 1] = head
end
write_all('HSET', HOME, put)
write_all('HDEL', HOME, removed)
if #fields > 0 then
  index(fields, lines)
end
local instant = decimal(now)
write('ZADD', DONE, instant, id)
-- A commit can be found again for 49 hours; now and then those that are older go, more than came since. A name that was
-- given back may never be taken again, so its home is forgotten by time.
if head == '' then
  write('PEXPIREAT', DONE, decimal(math.floor((given == '' and now or clock()) / 1000) + 176400000))
end
if string.byte(id, -1) % 8 == 0 then
  local old = decimal(now - 176400000000)
  write_all('ZREM', DONE, redis.call('ZRANGEBYSCORE', DONE, '-inf', old, 'LIMIT', 0, 400))
end

-- A name whose home holds nothing is not believed, so it may be in although what follows is refused.
if is_new then
  redis.call('ZADD', NAMES, '0', name)
end
finish()
local there = head ~= '' and 1 or redis.call('EXISTS', HOME)
if there == 0 and NAMES then
  redis.call('ZREM', NAMES, name)
  there = 1
end
return { 'now', head, there }
