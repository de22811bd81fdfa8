-- Tell and ask in one request. One study, its name from the command line.
local study, running = "exchange", {}
function init(args) study = args[1] or "exchange" end
local headers = { ["Content-Type"] = "application/json" }
local path
function request()
    path = path or "/v1/studies/" .. study .. "/exchange"
    local number = table.remove(running)
    if number then
        return wrk.format("POST", path, headers, '{"tell": {"trial": ' .. number .. ', "value": 0.5}, "ask": {}}')
    end
    return wrk.format("POST", path, headers, '{"ask": {}}')
end
function response(status, _, body)
    local number = string.match(body, '"ask":{"trials":%[{"number":(%d+)')
    if number then running[#running + 1] = number end
end
