-- ARGV: generation, claim, for how many milliseconds the name is remembered; then what `post`
-- takes.
local length, refused = guard()
if not length then return refused end
redis.call('DEL', journal, unpack(places))
redis.call('HSET', record, 'ended', '1', 'about', '')
redis.call('PEXPIRE', record, ARGV[3])
post(4)
return {'ok'}
