-- Writes that are to be done together, and the lines that fields have in the index.
local redo, lines_before = {}, {}
local function write(...)
  redo[#redo + 1] = { ... }
end
local function lines_of(field)
  local before = lines_before[field]
  if before == nil then
    local kept = redis.call('HGET', LINES, field)
    before = kept and cmsgpack.unpack(kept) or {}
  end
  return before
end
-- A command on the index for many lines at a time: unpack has a limit.
local function write_lines(name, lines, with_score)
  for from = 1, #lines, 500 do
    local command = { name, INDEX }
    for n = from, math.min(from + 499, #lines) do
      if with_score then
        command[#command + 1] = '0'
      end
      command[#command + 1] = lines[n]
    end
    redo[#redo + 1] = command
  end
end
local function index(field, lines)
  local gone, come, left = {}, {}, {}
  for _, line in ipairs(lines_of(field)) do
    gone[line] = true
  end
  for _, line in ipairs(lines) do
    if not gone[line] then
      come[#come + 1] = line
    end
    gone[line] = nil
  end
  for line in pairs(gone) do
    left[#left + 1] = line
  end
  write_lines('ZADD', come, true)
  write_lines('ZREM', left, false)
  lines_before[field] = lines
  if #lines == 0 then
    write('HDEL', LINES, field)
  elseif #come > 0 or #left > 0 then
    write('HSET', LINES, field, cmsgpack.pack(lines))
  end
end

-- From the first write on nothing is called that can fail; if the server ends half-way, ".redo" says what is left.
local function finish()
  redis.call('HSET', HOME, '.redo', cmsgpack.pack(redo))
  apply(redo)
  redis.call('HDEL', HOME, '.redo')
end
