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

heal()
local id, given, not_after, known = next_argument(), next_argument(), next_argument(), next_argument()
for n = 1, #KEYS do
  local wanted = n == 3 or n == 6 or n == 7
  local found = redis.call('TYPE', KEYS[n]).ok
  if found ~= 'none' and found ~= (wanted and 'zset' or 'hash') then
    return redis.error_reply('ROSTER ' .. KEYS[n] .. ' is a ' .. found)
  end
end
if redis.call('ZSCORE', DONE, id) then
  return { 'before' }
end
local now = given == '' and clock() or tonumber(given)
if not_after ~= '' and now > tonumber(not_after) then
  return { 'late' }
end

local guarded, versions = {}, {}
for n = 1, count() do
  guarded[n], versions[n] = next_argument(), next_argument()
end
for n, value in ipairs(fields_of(HOME, guarded)) do
  if (value and string.sub(value, 1, 26) or '') ~= versions[n] then
    return { 'conflict', n - 1 }
  end
end

local sums = {}
for n = 1, count() do
  local kind, field = next_argument(), next_argument()
  if kind == 'put' then
    local value, lines = next_argument(), {}
    for line = 1, count() do
      lines[line] = next_argument()
    end
    write('HSET', HOME, field, value)
    index(field, lines)
  elseif kind == 'remove' then
    write('HDEL', HOME, field)
    index(field, {})
  else
    local by, low, high = count(), count(), count()
    local sum = (sums[field] or tonumber(redis.call('HGET', HOME, field) or '0')) + by
    if sum < low or sum > high or math.abs(sum) >= 9007199254740992 then
      return { 'bounds', n - 1 }
    end
    sums[field] = sum
    write('HSET', HOME, field, decimal(sum))
  end
end

if known == '' and redis.call('EXISTS', HOME) == 0 then
  return { 'register' }
end

local head = ''
if next_argument() == 'entry' then
  local start, time, digest, body, personal = next_argument(), count(), next_argument(), next_argument(), next_argument()
  local terms = {}
  for n = 1, count() do
    terms[n] = next_argument()
  end
  local expected, foreseen, raw = next_argument(), next_argument(), next_argument()
  local before = redis.call('HGET', HOME, '.head') or start
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
  table.insert(redo, 1, { 'HSET', LOG, number, string.format('%020.0f', time) .. raw .. id .. body })
  if personal ~= '' then
    write('HSET', PERSONAL, number, personal)
  end
  for _, term in ipairs(terms) do
    write('ZADD', WHO, '0', term .. '\0' .. number)
  end
  write('HSET', HOME, '.head', head)
end
write('ZADD', DONE, decimal(now), id)
-- A commit can be found again for 49 hours; a few that are older go with each commit. A name that was given back may
-- never be taken again, so its home is forgotten by time.
if head == '' then
  write('PEXPIREAT', DONE, decimal(math.floor(clock() / 1000) + 176400000))
end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', DONE, '-inf', decimal(now - 176400000000), 'LIMIT', 0, 50)) do
  write('ZREM', DONE, old)
end

finish()
return { 'now', head, redis.call('EXISTS', HOME) }
