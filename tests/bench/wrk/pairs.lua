-- Durable ask, then tell of what was asked: two requests a pair. One study, its name from the command line.
local study, running = "pairs", {}
function init(args) study = args[1] or "pairs" end
local headers = { ["Content-Type"] = "application/json" }
function request()
    local number = table.remove(running)
    if number then
        return wrk.format("POST", "/v1/studies/" .. study .. "/tell", headers, '{"trial": ' .. number .. ', "value": 0.5}')
    end
    return wrk.format("POST", "/v1/studies/" .. study .. "/ask", headers, "{}")
end
function response(status, _, body)
    local number = string.match(body, '^{"trials":%[{"number":(%d+)')
    if number then running[#running + 1] = number end
end
