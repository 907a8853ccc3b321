-- Asks for one file after the other, out of as many as the argument says.
local number = -1

function init(arguments)
   before, behind = wrk.format(nil, "/first/@.txt"):match("^(.*)@(.*)$")
   count = tonumber(arguments[1])
end

function request()
   number = (number + 1) % count
   return before .. string.format("%02d/%06d", number % 100, number) .. behind
end
