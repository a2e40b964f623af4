-- Everything of a home but its log, at one instant.
heal()
return { redis.call('HGETALL', HOME), redis.call('ZRANGEBYLEX', INDEX, '[due\0', '(due\1') }
