-- Durable tells of points that the client brings: 4 floats. Studies: tell0 .. tell<N-1>; N from the command line.
local n, buffers = 1, {}
local thread_count = 0
function setup(thread) thread:set("id", thread_count); thread_count = thread_count + 1 end
function init(args)
    n = tonumber(args[1]) or 1
    math.randomseed(id + 1)
end
local headers = { ["Content-Type"] = "application/json" }
local k = 0
function request()
    k = (k + 1) % n
    local body = string.format('{"params": {"x0": %.6f, "x1": %.6f, "x2": %.6f, "x3": %.6f}, "value": %.6f}',
        math.random(), math.random(), math.random(), math.random(), math.random())
    return wrk.format("POST", "/v1/studies/" .. (args_prefix or "tell") .. k .. "/tell", headers, body)
end
