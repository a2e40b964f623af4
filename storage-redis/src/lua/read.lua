-- Fields of a home at one instant: the clock, then the end of the log, then what was asked for.
heal()
local values = fields_of(HOME, ARGV)
return { decimal(clock()), redis.call('HGET', HOME, '.head'), values }
