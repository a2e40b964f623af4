-- SHA-256 (FIPS 180-4) of at most 119 bytes, for the chain of a log whose end has moved since the caller read it.
local ROUND
local function rounds()
  return {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  }
end

-- A number below 2^53 as 8 bytes, big-endian.
local function be64(number)
  local bytes = {}
  for n = 8, 1, -1 do
    bytes[n] = string.char(number % 256)
    number = math.floor(number / 256)
  end
  return table.concat(bytes)
end

local function block(state, words)
  local band, bxor, bnot, ror, shr, tobit = bit.band, bit.bxor, bit.bnot, bit.ror, bit.rshift, bit.tobit
  for n = 17, 64 do
    local x, y = words[n - 15], words[n - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), shr(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), shr(y, 10))
    words[n] = tobit(words[n - 16] + s0 + words[n - 7] + s1)
  end
  local a, b, c, d, e, f, g, h = unpack(state)
  for n = 1, 64 do
    local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local ch = bxor(band(e, f), band(bnot(e), g))
    local one = tobit(h + s1 + ch + tobit(ROUND[n]) + words[n])
    local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
    local maj = bxor(band(a, b), band(a, c), band(b, c))
    h, g, f, e, d, c, b, a = g, f, e, tobit(d + one), c, b, a, tobit(one + s0 + maj)
  end
  local sums = { a, b, c, d, e, f, g, h }
  for n = 1, 8 do
    state[n] = tobit(state[n] + sums[n])
  end
end

local function sha256(text)
  ROUND = ROUND or rounds()
  local padded = text .. '\128' .. string.rep('\0', (55 - #text) % 64) .. be64(#text * 8)
  local state = {}
  for n, word in ipairs({
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  }) do
    state[n] = bit.tobit(word)
  end
  for from = 1, #padded, 64 do
    local words = {}
    for n = 1, 16 do
      local a, b, c, d = string.byte(padded, from + n * 4 - 4, from + n * 4 - 1)
      words[n] = bit.tobit(a * 16777216 + b * 65536 + c * 256 + d)
    end
    block(state, words)
  end
  local hex = {}
  for n = 1, 8 do
    hex[n] = bit.tohex(state[n])
  end
  return table.concat(hex)
end

local function bytes_of(hex)
  return (string.gsub(hex, '..', function(pair)
    return string.char(tonumber(pair, 16))
  end))
end
