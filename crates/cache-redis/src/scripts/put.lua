-- Stores a record unless the unexpired one present has a newer stamp; 1 when it was stored, 2 when there was nothing before.
-- ARGV: record, present instant, milliseconds until the server drops it or 0.
-- Instants and stamps are compared by halves, each of which is exact as a number.
local record, life = ARGV[1], ARGV[3]
local front = redis.pcall('GETRANGE', KEYS[1], '0', '23')
if #front == 24 then
  local magic, stamp, stamp_low, expires, expires_low = struct.unpack('>c5xxxI4I4I4I4', front)
  local now, now_low = struct.unpack('>I4I4', ARGV[2])
  if magic == 'RLCR\1' and (now < expires or now == expires and now_low < expires_low) then
    local new, new_low = struct.unpack('>I4I4', record, 9)
    if new < stamp or new == stamp and new_low < stamp_low then return 0 end
  end
end
local stored
if life == '0' then
  stored = redis.pcall('SET', KEYS[1], record)
else
  stored = redis.pcall('SET', KEYS[1], record, 'PX', life)
end
if stored.err then return stored end
return front == '' and 2 or 1
