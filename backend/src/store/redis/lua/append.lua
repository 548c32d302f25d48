-- ARGV: generation, claim, expected length, length afterwards, and the records.
local length, refused = guard()
if not length then return refused end
if length ~= ARGV[3] then return {'length', length} end
-- Lua's stack is bounded, so a thousand at a time
for from = 5, #ARGV, 1000 do
  redis.call('RPUSH', journal, unpack(ARGV, from, math.min(from + 999, #ARGV)))
end
redis.call('HSET', record, 'length', ARGV[4])
return {'ok'}
