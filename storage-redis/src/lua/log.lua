-- Entries behind a number, at most so many, with the values beside them; ARGV[3] narrows to lines of one person.
heal()
local after, most, who = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local numbers = {}
if who == '' then
  local head = redis.call('HGET', HOME, '.head')
  local last = head and tonumber(string.match(head, '^%d+')) or 0
  for seq = after + 1, math.min(after + most, math.max(last, redis.call('HLEN', LOG))) do
    numbers[#numbers + 1] = string.format('%016x', seq)
  end
else
  local from = '(' .. who .. '\0' .. string.format('%016x', after)
  for n, line in ipairs(redis.call('ZRANGEBYLEX', WHO, from, '(' .. who .. '\1', 'LIMIT', 0, most)) do
    numbers[n] = string.sub(line, -16)
  end
end
return { numbers, fields_of(LOG, numbers), fields_of(PERSONAL, numbers) }
