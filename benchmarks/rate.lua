-- POST /rate with users and films spread. Arguments: file of user ids, file of film ids.
local users, films = {}, {}
local headers = { ["Content-Type"] = "application/json" }

function init(args)
  for user in io.lines(args[1]) do users[#users + 1] = user end
  for film in io.lines(args[2]) do films[#films + 1] = film end
  math.randomseed(20261121)
end

function request()
  local body = string.format('{"user_id":"%s","item_id":"%s","rating":%.1f}',
    users[math.random(#users)], films[math.random(#films)], math.random(10) / 2)
  return wrk.format("POST", "/rate", headers, body)
end
