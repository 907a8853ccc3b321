-- Asks for one file, in a path that is spelled as never before: each letter plain or percent-encoded.
local name = "abcdefghijklmnopqrstuvwx"
local number = 0
local encoded = {}

function init()
   before, behind = wrk.format(nil, "/cold/@.txt"):match("^(.*)@(.*)$")
   for index = 1, #name do
      encoded[index] = string.format("%%%02x", name:byte(index))
   end
end

function request()
   number = number + 1
   local rest, spelled = number, {}
   for index = 1, #name do
      spelled[index] = rest % 2 == 1 and encoded[index] or name:sub(index, index)
      rest = math.floor(rest / 2)
   end
   return before .. table.concat(spelled) .. behind
end
