-- Entries behind a number, at most so many, with the values beside them. ARGV[3] and ARGV[4] narrow to an instant and
-- later, and to what is before one; each term from ARGV[5] on to entries with a line of it.
heal()
local after, most, from, to = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local head = redis.call('HGET', HOME, '.head')
local last = math.max(head and tonumber(string.match(head, '^%d+')) or 0, redis.call('HLEN', LOG))
local numbers = {}

-- The first number whose entry is of an instant or later: times never fall.
local function first_at(instant)
  local low, high = 1, last + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = redis.call('HGET', LOG, string.format('%016x', middle))
    if entry and string.sub(entry, 1, 20) >= instant then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end
local before = to ~= '' and first_at(to) or last + 1
if from ~= '' then
  after = math.max(after, first_at(from) - 1)
end

local function line(term, seq)
  return term .. '\0' .. string.format('%016x', seq)
end
local function between(term)
  return '(' .. line(term, after), '(' .. line(term, before)
end
local rarest, fewest
for n = 5, #ARGV do
  local low, high = between(ARGV[n])
  local lines = redis.call('ZLEXCOUNT', WHO, low, high)
  if not fewest or lines < fewest then
    rarest, fewest = ARGV[n], lines
  end
end
local function has_all(number)
  for n = 5, #ARGV do
    if ARGV[n] ~= rarest and not redis.call('ZSCORE', WHO, ARGV[n] .. '\0' .. number) then
      return false
    end
  end
  return true
end

if not rarest then
  for seq = after + 1, math.min(after + most, before - 1) do
    numbers[#numbers + 1] = string.format('%016x', seq)
  end
elseif after < before then
  local low, high = between(rarest)
  while #numbers < most do
    local lines = redis.call('ZRANGEBYLEX', WHO, low, high, 'LIMIT', 0, most)
    for _, found in ipairs(lines) do
      local number = string.sub(found, -16)
      if #numbers < most and has_all(number) then
        numbers[#numbers + 1] = number
      end
    end
    if #lines < most then
      break
    end
    low = '(' .. lines[#lines]
  end
end
return { numbers, fields_of(LOG, numbers), fields_of(PERSONAL, numbers) }
