-- Removes a record that begins with these bytes still; the length that it had, or 0.
-- ARGV: first bytes of the record.
local front = redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1] - 1)
if front ~= ARGV[1] then return 0 end
local len = redis.call('STRLEN', KEYS[1])
redis.call('UNLINK', KEYS[1])
return len
