-- Has the name of a home, ARGV[1], in the set of names KEYS[8] exactly if the home holds something.
heal()
if redis.call('EXISTS', HOME) == 1 then
  redis.call('ZADD', KEYS[8], '0', ARGV[1])
else
  redis.call('ZREM', KEYS[8], ARGV[1])
end
return 1
