-- The same body as tell.lua to a route that only parses and answers JSON.
local headers = { ["Content-Type"] = "application/json" }
function request()
    local body = string.format('{"params": {"x0": %.6f, "x1": %.6f, "x2": %.6f, "x3": %.6f}, "value": %.6f}',
        math.random(), math.random(), math.random(), math.random(), math.random())
    return wrk.format("POST", "/json", headers, body)
end
