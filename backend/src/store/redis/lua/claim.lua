-- ARGV: generation and id of the claim that was seen; then those of the next, endpoint,
-- incarnation, address, leaving, laid_down, ancestors.
local length, refused = guard()
if not length then return refused end
even_when_full()
redis.call('HSET', record, 'generation', ARGV[3], 'claim', ARGV[4], 'endpoint', ARGV[5],
  'incarnation', ARGV[6], 'address', ARGV[7], 'leaving', ARGV[8], 'laid_down', ARGV[9],
  'ancestors', ARGV[10])
return state()
