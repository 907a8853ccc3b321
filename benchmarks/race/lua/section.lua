-- Asks for one file with a header section that never comes again.
local number = 0

function init()
   before, behind = wrk.format(nil, "/4k.txt", { Cookie = "number=@" }):match("^(.*)@(.*)$")
end

function request()
   number = number + 1
   return before .. number .. behind
end
