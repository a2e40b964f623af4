-- Writes that are to be done together. All are absolute, so that they can be done again.
local redo = {}
local function write(...)
  redo[#redo + 1] = { ... }
end
-- One with any number of words, in pairs or not: unpack has a limit.
local function write_all(name, key, words)
  for from = 1, #words, 1000 do
    local command = { name, key }
    for n = from, math.min(from + 999, #words) do
      command[#command + 1] = words[n]
    end
    redo[#redo + 1] = command
  end
end

-- The index has these lines of fields from now on, each field once.
local function index(fields, lines)
  local come, left, changed, gone = {}, {}, {}, {}
  for n, kept in ipairs(fields_of(LINES, fields)) do
    local now = #lines[n] > 0 and cmsgpack.pack(lines[n])
    if now ~= kept then
      local before = {}
      for _, line in ipairs(kept and cmsgpack.unpack(kept) or {}) do
        before[line] = true
      end
      for _, line in ipairs(lines[n]) do
        if not before[line] then
          come[#come + 1] = '0'
          come[#come + 1] = line
        end
        before[line] = nil
      end
      for line in pairs(before) do
        left[#left + 1] = line
      end
      if now then
        changed[#changed + 1] = fields[n]
        changed[#changed + 1] = now
      else
        gone[#gone + 1] = fields[n]
      end
    end
  end
  write_all('ZADD', INDEX, come)
  write_all('ZREM', INDEX, left)
  write_all('HSET', LINES, changed)
  write_all('HDEL', LINES, gone)
end

-- Nothing that is written here can fail, as far as anybody has looked before; if a write is refused all the same, as by
-- rights that were taken away meanwhile, ".redo" says what is to be done. Of a server that ends half-way nothing is left
-- to do: what a script writes goes to the disk, and to replicas, as one transaction.
local function finish()
  local function note()
    redis.call('HSET', HOME, '.redo', cmsgpack.pack(redo))
  end
  -- Who may not put the note later must be refused before anything is written, and who begins with HSET may.
  local noted = redo[1][1] ~= 'HSET'
  if noted then
    note()
  end
  for n = 1, #redo do
    local told = redis.pcall(unpack(redo[n]))
    if type(told) == 'table' and told.err then
      if n > 1 and not noted then
        note()
      end
      error(told)
    end
  end
  if noted then
    redis.call('HDEL', HOME, '.redo')
  end
end
