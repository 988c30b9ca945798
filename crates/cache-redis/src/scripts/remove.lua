-- Removes a record, be it live or not; 1 when it had not expired. What is no record stays.
-- ARGV: present instant.
local front = redis.pcall('GETRANGE', KEYS[1], 0, 23)
if type(front) ~= 'string' or #front < 24 or front:sub(1, 5) ~= 'RLCR\1' then return 0 end
redis.call('UNLINK', KEYS[1])
for i = 1, 8 do
  local x, y = ARGV[1]:byte(i), front:byte(16 + i)
  if x ~= y then return x < y and 1 or 0 end
end
return 0
