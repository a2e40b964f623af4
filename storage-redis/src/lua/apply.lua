-- Every script begins with this. KEYS[1] is the hash of a home; its field ".redo" holds the writes of a commit that was
-- refused one between the first and the last of them, so that whoever finds it can finish what is half done.
local HOME, LINES, INDEX, LOG, PERSONAL, WHO, DONE = unpack(KEYS)

-- Does again what can be done again without harm: every write is absolute.
local function apply(writes)
  for n = 1, #writes do
    redis.call(unpack(writes[n]))
  end
end

local function heal()
  local torn = redis.call('HGET', HOME, '.redo')
  if torn then
    apply(cmsgpack.unpack(torn))
    redis.call('HDEL', HOME, '.redo')
  end
end

-- Microseconds since the epoch; below 2^53, so that Lua's numbers hold them.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function decimal(number)
  return string.format('%.0f', number)
end

-- HMGET of any number of fields: unpack has a limit.
local function fields_of(key, fields)
  local values = {}
  for from = 1, #fields, 1000 do
    local found = redis.call('HMGET', key, unpack(fields, from, math.min(from + 999, #fields)))
    for n = 1, #found do
      values[#values + 1] = found[n]
    end
  end
  return values
end
