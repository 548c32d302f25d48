-- ARGV: generation, claim, leaving, laid_down.
local length, refused = guard()
if not length then return refused end
even_when_full()
redis.call('HSET', record, 'leaving', ARGV[3], 'laid_down', ARGV[4])
return {'ok'}
