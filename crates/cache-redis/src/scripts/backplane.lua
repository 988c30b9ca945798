-- Adds an entry to the stream of marks if there is a mark to add, or no entry yet; id and tag of the newest entry, and
-- the run of the server. Every entry has a tag of its own and that of the entry before it, so a reader knows when it has
-- missed one; and the run of the server that added it: another one may have begun with less than there was.
-- ARGV: a new tag, entries to keep, mark or nothing.
local info = redis.pcall('INFO', 'server')
-- Who may not ask has one run for ever.
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or '0'
run = string.sub(run, 1, 16)
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'stream' and kind ~= 'none' then redis.call('UNLINK', KEYS[1]) end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local before = ''
if last and last[2][1] == 't' then before = last[2][2] end
if not ARGV[3] and before ~= '' then return {last[1], before, run} end
local id = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*',
  't', ARGV[1], 'p', before, 'r', run, 'm', ARGV[3] or '')
if type(id) == 'table' then return id end
return {id, ARGV[1], run}
