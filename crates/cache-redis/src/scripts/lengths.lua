-- The lengths of several values, and an error in place of what is no string.
local found = {}
for i = 1, #KEYS do
  found[i] = redis.pcall('STRLEN', KEYS[i])
end
return found
