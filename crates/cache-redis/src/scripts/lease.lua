-- Gives, prolongs or ends the lease of a key. What is kept is a token and until when it is held by this server's clock;
-- it stays as a fence: the next token is newer.
-- ARGV: 'take', 'renew' or 'release'; oldest token to give, or the token held; span in ms; longest lead of a token over
-- this clock that is waited for, in ms; how much longer a fence stays, in ms.
-- take: the token, or nothing while it is held. renew, release: 1 when it was held by this token.
local verb, token = ARGV[1], ARGV[2]
local span, lead, margin = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.pcall('GET', KEYS[1])
local last, held_until = nil, 0
if type(kept) == 'string' and #kept > 8 then
  last = kept:sub(1, 8)
  held_until = tonumber(kept:sub(9)) or 0
end
local held = held_until > now
if verb == 'take' then
  if held then return false end
  local newer = last == nil
  for i = 1, 8 do
    if newer then break end
    local x, y = last:byte(i), token:byte(i)
    if x < y then newer = true elseif x > y then break end
  end
  if not newer then
    -- The next one that ends like the token asked for: its last byte tells whose clock it is from.
    local bytes = {last:byte(1, 7)}
    local i = 7
    while i > 0 and bytes[i] == 255 do
      bytes[i] = 0
      i = i - 1
    end
    if i == 0 then return false end
    bytes[i] = bytes[i] + 1
    token = string.char(unpack(bytes)) .. token:sub(8)
  end
elseif not held or last ~= token then
  return 0
end
held_until = now + span
if verb == 'release' then held_until = 0 end
local instant = 0
for i = 1, 6 do instant = instant * 256 + token:byte(i) end
local life = math.max(held_until - now, math.min(instant - now, lead), 0) + margin
local stored = redis.pcall('SET', KEYS[1], token .. string.format('%.0f', held_until), 'PX', string.format('%.0f', life))
if stored.err then return stored end
if verb == 'take' then return token end
return 1
