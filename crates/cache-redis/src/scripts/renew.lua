-- Gives the record of a stamp and role a new head and keeps its body; 1 when it was there.
-- ARGV: stamp, present instant, front of the new head up to the facts of the body, rest of the new head behind them,
-- milliseconds until the server drops it or 0.
local stamp, now, front, rest, life = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local old = redis.pcall('GETRANGE', KEYS[1], 0, 39)
if type(old) ~= 'string' or #old < 40 or old:sub(1, 5) ~= 'RLCR\1' then return 0 end
if old:sub(9, 16) ~= stamp or old:sub(6, 6) ~= front:sub(6, 6) then return 0 end
local live = false
for i = 1, 8 do
  local x, y = now:byte(i), old:byte(16 + i)
  if x ~= y then live = x < y break end
end
if not live then return 0 end
local a, b, c, d = old:byte(25, 28)
local envelope = ((a * 256 + b) * 256 + c) * 256 + d
local len = math.ceil((40 + envelope) / 64) * 64
local head = front .. old:sub(29, 40) .. rest
local done
if #head == len then
  done = redis.pcall('SETRANGE', KEYS[1], 0, head)
else
  done = redis.pcall('SET', KEYS[1], head .. redis.call('GETRANGE', KEYS[1], len, -1))
end
if type(done) == 'table' and done.err then return done end
if life == '0' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], life)
end
return 1
