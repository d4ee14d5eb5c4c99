-- GET /recommend over all users in a shuffled order. Argument: file with a user id a line.
local paths = {}
local next_path = 1

function init(args)
  for user in io.lines(args[1]) do
    paths[#paths + 1] = wrk.format("GET", "/recommend?user_id=" .. user .. "&k=10")
  end
  math.randomseed(20261121)
  for i = #paths, 2, -1 do
    local j = math.random(i)
    paths[i], paths[j] = paths[j], paths[i]
  end
end

function request()
  local path = paths[next_path]
  next_path = next_path % #paths + 1
  return path
end

-- wrk itself prints no 95th percentile.
function done(summary, latency)
  io.write(string.format("     95%%  %.2fms\n", latency:percentile(95) / 1000))
end
