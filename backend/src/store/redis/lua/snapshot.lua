-- ARGV: generation, claim, length of the journal, then of the snapshot: length, seq, at_ms,
-- last_act, state, about; then the horizon: seq, at_ms, length; then what `post` takes.
local length, refused = guard()
if not length then return refused end
if tonumber(length) > tonumber(ARGV[3]) then return {'length', length} end
local known = redis.call('HMGET', record, 'written', 'first')
local written, first = tonumber(known[1]) + 1, tonumber(known[2])
local kept, lost = snapshots(), tonumber(length) < tonumber(ARGV[3])

local function is_past(snapshot)
  return snapshot.seq < tonumber(ARGV[10]) or snapshot.at_ms < tonumber(ARGV[11])
    or tonumber(snapshot.length) < tonumber(ARGV[12])
end
-- of what lies before the horizon the youngest is enough
while kept[2] and is_past(kept[2]) do table.remove(kept, 1) end
-- and of what came after the one that follows on it, the one to be written
while kept[3] do table.remove(kept) end
-- the journal has lost its tail: nothing leads from what was before to this one
if lost then kept = {} end

local taken = {}
for _, snapshot in ipairs(kept) do taken[snapshot.place] = true end
local free = {}
for _, place in ipairs(places) do
  if not taken[place] then table.insert(free, place) end
end
redis.call('HSET', free[1], 'written', tostring(written), 'length', ARGV[4], 'seq', ARGV[5],
  'at_ms', ARGV[6], 'last_act', ARGV[7], 'state', ARGV[8])
for place = 2, #free do redis.call('DEL', free[place]) end
local from = kept[1] and tonumber(kept[1].length) or tonumber(ARGV[4])
if lost then
  redis.call('DEL', journal)
elseif from > first then
  redis.call('LTRIM', journal, from - first, -1)
else
  from = first
end
redis.call('HSET', record, 'written', tostring(written), 'first', tostring(from), 'length', ARGV[3],
  'about', ARGV[9], 'run', run())
return post(13)
