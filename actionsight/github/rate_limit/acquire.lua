-- Leave to send one request, or how long to wait before asking again.
--
-- KEYS: state (hash), permits, points, waiters, deadlines (sorted sets of request ids).
-- A permit is scored by when it expires, a point by when its request was over, a waiter by its
-- priority and arrival, a deadline by when a waiter that does not come back is forgotten.
-- ARGV: now (empty: this server's time), id, priority, most at once, most a minute (0: any number of
-- both), share of the hourly limit that is held in reserve, longest wait, generation, seconds of a
-- permit, then pairs of id and age of requests that are known to the caller alone.
-- Gives {'go', now}, {'wait', seconds, '1' for the hourly limit}, or {'new', generation}: the state
-- is not the one that the caller knows; it comes again with what it knows itself.
local state, permits, points, waiters, deadlines = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, priority, longest_wait = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[7])
local most_at_once, most_a_minute = tonumber(ARGV[4]), tonumber(ARGV[5])
local SOON, MINUTE, GRACE = 0.05, 60, 5

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end

local known = redis.call('HMGET', state, 'generation', 'limit', 'remaining', 'resets_at', 'paused_until')
if known[1] ~= ARGV[8] then
  if not known[1] then
    redis.call('HSET', state, 'generation', id)
    redis.call('EXPIRE', state, 7200)
  end
  return {'new', known[1] or id}
end
for i = 10, #ARGV, 2 do
  redis.call('ZADD', points, now - tonumber(ARGV[i + 1]), ARGV[i])
end

redis.call('ZREMRANGEBYSCORE', permits, '-inf', now)
redis.call('ZREMRANGEBYSCORE', points, '-inf', now - MINUTE)
local are_waiting = redis.call('ZCARD', deadlines) > 0
if are_waiting then
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', deadlines, '-inf', now)) do
    redis.call('ZREM', waiters, gone)
    redis.call('ZREM', deadlines, gone)
  end
end

local under_way = redis.call('ZCARD', permits)
local is_limited = known[2] ~= 'none'
local limit, paused_until = tonumber(known[2]), tonumber(known[5]) or 0
if limit and tonumber(known[4]) <= now then
  limit = nil  -- a new hour has begun: the next answer tells what it allows
end

local wait, is_hourly = 0, '0'
if paused_until > now then
  wait = paused_until - now
elseif is_limited and not limit then
  -- One request finds out.
  if under_way > 0 then wait = SOON end
elseif is_limited then
  local spare = tonumber(known[3]) - 1 - math.floor(limit * tonumber(ARGV[6]))
  if spare < 0 then
    wait, is_hourly = tonumber(known[4]) - now, '1'
  elseif spare < under_way then
    wait = SOON  -- those under way may take the rest
  end
end

local score = priority * 1e11 + now
if wait == 0 and most_a_minute > 0 then
  local ahead = 0
  if are_waiting then
    ahead = redis.call('ZRANK', waiters, id) or redis.call('ZCOUNT', waiters, '-inf', string.format('(%.6f', score))
  end
  local spent = redis.call('ZCARD', points)
  if is_limited and ahead >= most_at_once - under_way then
    wait = SOON
  elseif ahead >= most_a_minute - under_way - spent then
    -- The request whose point this one will take over, once those ahead have taken theirs.
    local index = ahead - (most_a_minute - under_way - spent)
    local due = redis.call('ZRANGE', points, index, index, 'WITHSCORES')[2]
    wait = due and math.max(tonumber(due) + MINUTE - now, 0.001) or 1
  end
end

if wait == 0 or wait > longest_wait then
  if are_waiting then
    redis.call('ZREM', waiters, id)
    redis.call('ZREM', deadlines, id)
  end
else
  redis.call('ZADD', waiters, 'NX', score, id)
  redis.call('ZADD', deadlines, now + wait + GRACE, id)
  redis.call('EXPIRE', waiters, 3600)
  redis.call('EXPIRE', deadlines, 3600)
end
if wait > 0 then
  return {'wait', string.format('%.6f', wait), is_hourly}
end
redis.call('ZADD', permits, now + tonumber(ARGV[9]), id)
redis.call('EXPIRE', permits, 3600)
return {'go', string.format('%.6f', now)}
