-- ARGV: generation, claim, length of the journal, then of the snapshot: length, seq, last_act,
-- state, about.
local length, refused = guard()
if not length then return refused end
if tonumber(length) > tonumber(ARGV[3]) then return {'length', length} end
local known = redis.call('HMGET', record, 'written', 'first')
local written, first = tonumber(known[1]) + 1, known[2]
local newer, older = even, odd
if written % 2 == 1 then newer, older = odd, even end
redis.call('HSET', newer, 'written', tostring(written), 'length', ARGV[4], 'seq', ARGV[5],
  'last_act', ARGV[6], 'state', ARGV[7])
local from = redis.call('HGET', older, 'length') or ARGV[4]
if tonumber(length) < tonumber(ARGV[3]) then
  -- the journal has lost its tail: nothing leads from the older snapshot to this one
  redis.call('DEL', journal, older)
  from = ARGV[3]
elseif tonumber(from) > tonumber(first) then
  redis.call('LTRIM', journal, tonumber(from) - tonumber(first), -1)
else
  from = first
end
redis.call('HSET', record, 'written', tostring(written), 'first', from, 'length', ARGV[3], 'about',
  ARGV[8])
return {'ok'}
