-- Asks for files picked at random out of as many as the argument says.
function init(arguments)
   math.randomseed(1)
   heads = {}
   for number = 0, tonumber(arguments[1]) - 1 do
      heads[#heads + 1] = wrk.format(nil, string.format("/mix/%02d/%04d.html", number % 100, number))
   end
end

function request()
   return heads[math.random(#heads)]
end
