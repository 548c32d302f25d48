-- KEYS: the index of outboxes. ARGV: a session whose outbox is empty, and before which time it
-- must have been announced last.
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if at and tonumber(at) < tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
return {'ok'}
