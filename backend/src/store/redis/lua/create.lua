-- ARGV: generation, claim, endpoint, incarnation, address, leaving, laid_down, ancestors, created_ms,
-- length, about, seq, at_ms, last_act, state, '1' without a subject, the subject; then what `post`
-- takes.
if redis.call('EXISTS', record) == 1 then return {'exists'} end
redis.call('HSET', record, 'generation', ARGV[1], 'claim', ARGV[2], 'endpoint', ARGV[3],
  'incarnation', ARGV[4], 'address', ARGV[5], 'leaving', ARGV[6], 'laid_down', ARGV[7],
  'ancestors', ARGV[8], 'created_ms', ARGV[9], 'length', ARGV[10], 'first', ARGV[10], 'about', ARGV[11],
  'written', '0', 'run', run())
if ARGV[16] == '0' then redis.call('HSET', record, 'subject', ARGV[17]) end
-- of a session of that name whose record alone was lost
redis.call('DEL', journal, unpack(places))
redis.call('HSET', places[1], 'written', '0', 'length', ARGV[10], 'seq', ARGV[12],
  'at_ms', ARGV[13], 'last_act', ARGV[14], 'state', ARGV[15])
return post(18)
