-- What wrk sends: one request for each line of a file "organization secret user account", line after line from a place
-- that the environment names. Prints one line of JSON when it is done.

local work = os.getenv("BENCH_WORK")
local next_line = tonumber(os.getenv("BENCH_FROM"))
local lines = {}

function init()
  for line in io.lines(os.getenv("BENCH_LINES")) do
    lines[#lines + 1] = line
  end
end

local function check(user, account)
  local body = '{"user":"' .. user .. '","permission":"members:read","account":"' .. account .. '"}'
  return "POST", "/v1/check", body
end

function request()
  local pass, place = math.floor(next_line / #lines), next_line % #lines
  next_line = next_line + 1
  local organization, secret, user, account = lines[place + 1]:match("(%S+) (%S+) (%S+) (%S+)")
  local home = "/v1/organizations/" .. organization
  local method, path, body
  if work == "check" then
    method, path, body = check(user, account)
  elseif work == "list" then
    method, path = "GET", home .. "/members?limit=100"
  elseif work == "get" then
    method, path = "GET", home .. "/members/" .. user
  elseif work == "role" then
    local role = pass % 2 == 0 and "member" or "viewer"
    method, path = "PUT", home .. "/accounts/" .. account .. "/members/" .. user
    body = '{"role":"' .. role .. '"}'
  else
    method, path = "DELETE", home .. "/members/" .. user
  end
  local headers = { ["Authorization"] = "Bearer " .. secret }
  if body then
    headers["Content-Type"] = "application/json"
  end
  return wrk.format(method, path, headers, body)
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format(
    '\nRESULT {"count": %d, "failed": %d, "seconds": %.6f, "p50_us": %.0f, "p99_us": %.0f}\n',
    summary.requests, failed, summary.duration / 1e6, latency:percentile(50), latency:percentile(99)))
end
