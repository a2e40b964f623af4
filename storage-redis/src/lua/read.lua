-- Fields of a home at one instant: the clock, the end of the log, what was asked for, and whether a commit was cut off,
-- which must be finished first. Reads one key alone, so that it works while a cluster moves the others.
local HOME = KEYS[1]
local values = {}
for from = 1, #ARGV, 1000 do
  local found = redis.call('HMGET', HOME, unpack(ARGV, from, math.min(from + 999, #ARGV)))
  for n = 1, #found do
    values[#values + 1] = found[n]
  end
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
return { now, redis.call('HGET', HOME, '.head'), values, redis.call('HEXISTS', HOME, '.redo') }
