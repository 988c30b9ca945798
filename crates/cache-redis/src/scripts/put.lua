-- Stores a record unless the unexpired one present has a newer stamp; 1 when it was stored.
-- ARGV: record, present instant, milliseconds until the server drops it or 0.
local function before(a, b)
  for i = 1, 8 do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return false
end
local record, now, life = ARGV[1], ARGV[2], ARGV[3]
local front = redis.pcall('GETRANGE', KEYS[1], 0, 23)
if type(front) == 'string' and #front == 24 and front:sub(1, 5) == 'RLCR\1'
    and before(now, front:sub(17, 24)) and before(record:sub(9, 16), front:sub(9, 16)) then
  return 0
end
local stored
if life == '0' then
  stored = redis.pcall('SET', KEYS[1], record)
else
  stored = redis.pcall('SET', KEYS[1], record, 'PX', life)
end
if stored.err then return stored end
return 1
