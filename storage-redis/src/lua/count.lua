-- How many lines of the index lie in each range.
heal()
local counts = {}
for n = 1, #ARGV, 2 do
  counts[#counts + 1] = redis.call('ZLEXCOUNT', INDEX, ARGV[n], ARGV[n + 1])
end
return counts
