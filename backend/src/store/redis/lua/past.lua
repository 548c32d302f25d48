-- ARGV: generation, claim, number of the log entry.
local length, refused = guard()
if not length then return refused end
return state(tonumber(ARGV[3]))
