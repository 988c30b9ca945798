-- As put.lua, of one record that waits under a second key: long arguments cost scripts much.
-- KEYS: the key, where the record waits. ARGV: first 24 bytes of the record, present instant, milliseconds until the
-- server drops it or 0.
local function before(a, b)
  for i = 1, 8 do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return false
end
local record, now, life = ARGV[1], ARGV[2], ARGV[3]
local front = redis.pcall('GETRANGE', KEYS[1], 0, 23)
local live = type(front) == 'string' and #front == 24 and front:sub(1, 5) == 'RLCR\1' and before(now, front:sub(17, 24))
if live and before(record:sub(9, 16), front:sub(9, 16)) then
  redis.call('UNLINK', KEYS[2])
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  -- The script runs again after its reply was lost.
  if live and front == record then return 1 end
  return redis.error_reply('GONE the record has not waited')
end
redis.call('RENAME', KEYS[2], KEYS[1])
if life == '0' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], life)
end
return front == '' and 2 or 1
