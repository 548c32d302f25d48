-- The keys of one session, all in one slot of a cluster: its record, its journal, three places for
-- snapshots, and what waits for the ledger. Scripts run one at a time and check before they change
-- anything, so each is done whole or not at all. Numbers go in and out as text: Lua would round.
local record, journal, places = KEYS[1], KEYS[2], {KEYS[3], KEYS[4], KEYS[5]}
local outbox = KEYS[6]

-- The length of the journal if the claim (ARGV[1] generation, ARGV[2] id) stands, or why not.
local function guard()
  local known = redis.call('HMGET', record, 'generation', 'claim', 'length', 'ended')
  if not known[1] or known[4] then return nil, {'missing'} end
  if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then return nil, {'fenced', known[1]} end
  return known[3]
end

-- Drawn by the server at its start: between two of them its last moments may be lost.
local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
end

-- The snapshots that are there, oldest first.
local function snapshots()
  local found = {}
  for _, place in ipairs(places) do
    local known = redis.call('HMGET', place, 'written', 'seq', 'at_ms', 'length')
    if known[1] then
      table.insert(found, {place = place, written = tonumber(known[1]), seq = tonumber(known[2]),
        at_ms = tonumber(known[3]), length = known[4]})
    end
  end
  table.sort(found, function(a, b) return a.written < b.written end)
  return found
end

-- The youngest snapshot at or before log entry `seq` and the journal from there, all of one moment.
local function state(seq)
  local chosen
  for _, snapshot in ipairs(snapshots()) do
    if not seq or snapshot.seq <= seq then chosen = snapshot end
  end
  if not chosen then return {'none'} end
  local head = redis.call('HMGET', record, 'first', 'length', 'about', 'run')
  local from = tonumber(chosen.length) - tonumber(head[1])
  return {
    'ok',
    {chosen.length, head[2], head[3], head[4] == run() and '0' or '1'},
    redis.call('HMGET', chosen.place, 'length', 'seq', 'at_ms', 'last_act', 'state'),
    redis.call('LRANGE', journal, from, -1),
  }
end

-- A server at maxmemory refuses what may need memory, unless a script has written before. What
-- gives memory back, or lets a session go to another owner, must not be refused.
local function even_when_full()
  redis.call('HDEL', record, '')
end

-- Adds to what waits for the ledger, if there is something from ARGV[from] on: trail, first, last,
-- at_ms, room in bytes, body. In an outbox that is full its numbers alone, lengthening those before.
local function post(from)
  if not ARGV[from] then return {'ok'} end
  local trail, first, last, at_ms = ARGV[from], ARGV[from + 1], ARGV[from + 2], ARGV[from + 3]
  local entry = {'trail', trail, 'first', first, 'last', last, 'at_ms', at_ms}
  local held = redis.call('MEMORY', 'USAGE', outbox, 'SAMPLES', 0) or 0
  if held + #ARGV[from + 5] <= tonumber(ARGV[from + 4]) then
    redis.call('XADD', outbox, '*', 'body', ARGV[from + 5], unpack(entry))
    return {'ok'}
  end
  local newest = redis.call('XREVRANGE', outbox, '+', '-', 'COUNT', 1)[1]
  local numbers = newest and newest[2]
  if numbers and numbers[1] == 'trail' and numbers[2] == trail then
    entry[4], entry[8] = numbers[4], numbers[8]
    redis.call('XDEL', outbox, newest[1])
  end
  redis.call('XADD', outbox, '*', unpack(entry))
  return {'ok', 'numbers'}
end
