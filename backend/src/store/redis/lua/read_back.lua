-- ARGV: generation, claim.
local length, refused = guard()
if not length then return refused end
return state()
