-- Leaves out values beside an entry, unless they have changed meanwhile.
heal()
local number, before, after = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', PERSONAL, number) ~= before then
  return 0
end
if after == '' then
  write('HDEL', PERSONAL, number)
else
  write('HSET', PERSONAL, number, after)
end
finish()
return 1
