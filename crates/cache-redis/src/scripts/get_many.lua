-- The first bytes of several values, and an error in place of what is no string.
-- ARGV: where the last of these bytes is.
local found = {}
for i = 1, #KEYS do
  found[i] = redis.pcall('GETRANGE', KEYS[i], '0', ARGV[1])
end
return found
