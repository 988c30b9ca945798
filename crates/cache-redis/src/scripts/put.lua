-- Stores each record unless the unexpired one present has a newer stamp: for each 1 when it was stored, 2 when there was
-- nothing before, 0 when it was not; or the first error that the server made of it.
-- Instants and stamps are compared by halves, each of which is exact as a number.
-- ARGV: present instant, then for each key record and milliseconds until the server drops it or 0.
local now, now_low = struct.unpack('>I4I4', ARGV[1])
local done = {}
for i = 1, #KEYS do
  local record, life = ARGV[2 * i], ARGV[2 * i + 1]
  local front = redis.pcall('GETRANGE', KEYS[i], '0', '23')
  local newer = true
  if #front == 24 then
    local magic, stamp, stamp_low, expires, expires_low = struct.unpack('>c5xxxI4I4I4I4', front)
    if magic == 'RLCR\1' and (now < expires or now == expires and now_low < expires_low) then
      local new, new_low = struct.unpack('>I4I4', record, 9)
      newer = new > stamp or new == stamp and new_low >= stamp_low
    end
  end
  done[i] = 0
  if newer then
    local stored
    if life == '0' then
      stored = redis.pcall('SET', KEYS[i], record)
    else
      stored = redis.pcall('SET', KEYS[i], record, 'PX', life)
    end
    if stored.err then return stored end
    done[i] = front == '' and 2 or 1
  end
end
return done
