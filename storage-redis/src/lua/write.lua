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
local function index(field, lines)
  local gone = {}
  for _, line in ipairs(lines_of(field)) do
    gone[line] = true
  end
  for _, line in ipairs(lines) do
    if not gone[line] then
      write('ZADD', INDEX, '0', line)
    end
    gone[line] = nil
  end
  for line in pairs(gone) do
    write('ZREM', INDEX, line)
  end
  lines_before[field] = lines
  if #lines > 0 then
    write('HSET', LINES, field, cmsgpack.pack(lines))
  else
    write('HDEL', LINES, field)
  end
end

-- From the first write on nothing is called that can fail; if the server ends half-way, ".redo" says what is left.
local function finish()
  redis.call('HSET', HOME, '.redo', cmsgpack.pack(redo))
  apply(redo)
  redis.call('HDEL', HOME, '.redo')
end
