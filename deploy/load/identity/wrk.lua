-- One kind of request of the auth service. CASE says which; the other variables, who asks.
local case = os.getenv("CASE")
local form = "application/x-www-form-urlencoded"
wrk.method = "POST"

local tokens, first, last = {}, 1, 0
local run, count = os.getenv("RUN"), 0

function init()
  if case == "refresh" then
    for line in io.lines(os.getenv("TOKENS")) do
      last = last + 1
      tokens[last] = line
    end
  end
  if case == "grant" or case == "introspect" then
    wrk.headers["authorization"] = os.getenv("BASIC")
  end
  wrk.headers["content-type"] = (case == "sign-in" or case == "register") and "application/json" or form
end

function request()
  if case == "grant" then
    return wrk.format(nil, nil, nil, "grant_type=client_credentials")
  elseif case == "introspect" then
    return wrk.format(nil, nil, nil, "token=" .. os.getenv("TOKEN"))
  elseif case == "refresh" then
    -- Each token is good once, so every connection takes the next one of those that came back.
    local token = tokens[first]
    tokens[first] = nil
    first = first + 1
    return wrk.format(nil, nil, nil, "grant_type=refresh_token&client_id=portico&refresh_token=" .. token)
  elseif case == "sign-in" then
    return wrk.format(nil, nil, nil, os.getenv("ACCOUNT"))
  end
  count = count + 1
  local email = "load-" .. run .. "-" .. count .. "@example.org"
  return wrk.format(nil, nil, nil, '{"email":"' .. email .. '","password":"a perfectly fine passphrase"}')
end

if case == "refresh" then
  function response(_, _, body)
    local token = string.match(body, '"refresh_token":"([^"]+)"')
    if token then
      last = last + 1
      tokens[last] = token
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  local faults = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print("WRK", summary.requests, summary.duration, faults, latency:percentile(50), latency:percentile(99))
end
