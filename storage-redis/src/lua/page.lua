-- The clock, the end of the log, and lines of ranges of the index with their records, of one instant. ARGV: how many of
-- each range, "up" or "down", then the two ends of each.
heal()
local lines, fields = {}, {}
for n = 3, #ARGV, 2 do
  local found
  if ARGV[2] == 'up' then
    found = redis.call('ZRANGEBYLEX', INDEX, ARGV[n], ARGV[n + 1], 'LIMIT', 0, ARGV[1])
  else
    found = redis.call('ZREVRANGEBYLEX', INDEX, ARGV[n + 1], ARGV[n], 'LIMIT', 0, ARGV[1])
  end
  for _, line in ipairs(found) do
    lines[#lines + 1] = line
    fields[#fields + 1] = string.match(line, '^[^%z]*%z[^%z]*%z([^%z]*)')
  end
end
return { decimal(clock()), redis.call('HGET', HOME, '.head'), lines, fields_of(HOME, fields) }
