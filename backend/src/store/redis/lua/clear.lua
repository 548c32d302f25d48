-- ARGV: the place up to which everything is in the ledger.
redis.call('XTRIM', outbox, 'MINID', ARGV[1])
redis.call('XDEL', outbox, ARGV[1])
if redis.call('XLEN', outbox) == 0 then redis.call('DEL', outbox) end
return {'ok'}
