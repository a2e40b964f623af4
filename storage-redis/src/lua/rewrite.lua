-- Writes a record anew in a newer schema, unless it has changed meanwhile. Nothing else changes, its version neither.
heal()
local field, before, after = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', HOME, field) ~= before then
  return 0
end
local lines = {}
for n = 4, #ARGV do
  lines[#lines + 1] = ARGV[n]
end
write('HSET', HOME, field, after)
index({ field }, { lines })
finish()
return 1
