-- Sends so many requests at once as the argument says.
function init(arguments)
   batch = string.rep(wrk.format(), tonumber(arguments[1]))
end

function request()
   return batch
end
