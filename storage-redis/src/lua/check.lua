-- Which of the commands in ARGV this user may not run, by their numbers from 0; nothing where the server does not tell.
-- ARGV: for each command how many words it has, then the words. One that has no such name here may not be run either.
if not redis.acl_check_cmd then
  return false
end
local missing, at, number = {}, 1, 0
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  local is_known, may = pcall(redis.acl_check_cmd, unpack(ARGV, at + 1, at + words))
  if not (is_known and may) then
    missing[#missing + 1] = number
  end
  at, number = at + 1 + words, number + 1
end
return missing
