-- ARGV: how many at most.
local read = {'ok'}
for _, entry in ipairs(redis.call('XRANGE', outbox, '-', '+', 'COUNT', ARGV[1])) do
  local known = {}
  for at = 1, #entry[2], 2 do known[entry[2][at]] = entry[2][at + 1] end
  table.insert(read, {entry[1], known.at_ms, known.trail, known.first, known.last, known.body})
end
return read
