-- The keys of one session, all in one slot of a cluster: its record, its journal, and two places
-- for snapshots that are written in turn. Scripts run one at a time and check before they change
-- anything, so each is done whole or not at all. Numbers go in and out as text: Lua would round.
local record, journal, even, odd = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- The length of the journal if the claim (ARGV[1] generation, ARGV[2] id) stands, or why not.
local function guard()
  local known = redis.call('HMGET', record, 'generation', 'claim', 'length', 'ended')
  if not known[1] or known[4] then return nil, {'missing'} end
  if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then return nil, {'fenced', known[1]} end
  return known[3]
end

-- What a new owner needs, all of one moment.
local function state()
  local snapshot = {'written', 'length', 'seq', 'last_act', 'state'}
  return {
    'ok',
    redis.call('HMGET', record, 'first', 'length', 'about'),
    redis.call('HMGET', even, unpack(snapshot)),
    redis.call('HMGET', odd, unpack(snapshot)),
    redis.call('LRANGE', journal, 0, -1),
  }
end

-- A server at maxmemory refuses what may need memory, unless a script has written before. What
-- gives memory back, or lets a session go to another owner, must not be refused.
local function even_when_full()
  redis.call('HDEL', record, '')
end
