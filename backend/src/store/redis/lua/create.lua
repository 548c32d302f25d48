-- ARGV: generation, claim, endpoint, incarnation, address, leaving, laid_down, created_ms, length,
-- about, seq, at_ms, last_act, state, and the subject if there is one.
if redis.call('EXISTS', record) == 1 then return {'exists'} end
redis.call('HSET', record, 'generation', ARGV[1], 'claim', ARGV[2], 'endpoint', ARGV[3],
  'incarnation', ARGV[4], 'address', ARGV[5], 'leaving', ARGV[6], 'laid_down', ARGV[7],
  'created_ms', ARGV[8], 'length', ARGV[9], 'first', ARGV[9], 'about', ARGV[10], 'written', '0',
  'run', run())
if ARGV[15] then redis.call('HSET', record, 'subject', ARGV[15]) end
-- of a session of that name whose record alone was lost
redis.call('DEL', journal, unpack(places))
redis.call('HSET', places[1], 'written', '0', 'length', ARGV[9], 'seq', ARGV[11], 'at_ms', ARGV[12],
  'last_act', ARGV[13], 'state', ARGV[14])
return {'ok'}
