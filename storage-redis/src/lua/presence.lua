-- Takes or leaves a place. KEYS: who serves, by the end of each one's place; who is alone.
local serving, alone = unpack(KEYS)
local what, how, name, life = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', serving, '-inf', now)
local holder = redis.call('GET', alone)
if what == 'leave' then
  redis.call('ZREM', serving, name)
  if holder == name then
    redis.call('DEL', alone)
  end
  return 1
end
if holder and holder ~= name then
  return 0
end
if how == 'serving' then
  redis.call('ZADD', serving, now + life, name)
elseif redis.call('ZCARD', serving) > 0 then
  return 0
else
  redis.call('SET', alone, name, 'PX', life)
end
return 1
