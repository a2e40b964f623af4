-- The clock, the end of the log, and lines of a range of the index with their records, of one instant. ARGV: how many,
-- "up" or "down", the two ends.
heal()
local lines
if ARGV[2] == 'up' then
  lines = redis.call('ZRANGEBYLEX', INDEX, ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[1])
else
  lines = redis.call('ZREVRANGEBYLEX', INDEX, ARGV[4], ARGV[3], 'LIMIT', 0, ARGV[1])
end
local fields = {}
for n = 1, #lines do
  fields[n] = string.match(lines[n], '^[^%z]*%z[^%z]*%z([^%z]*)')
end
return { decimal(clock()), redis.call('HGET', HOME, '.head'), lines, fields_of(HOME, fields) }
