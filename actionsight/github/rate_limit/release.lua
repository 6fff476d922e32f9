-- A request is over: its permit ends, its point begins, and its answer's headers are taken over.
--
-- KEYS as of acquire.lua. ARGV: now (empty: this server's time), id, when it was acquired, then of
-- the answer: limit, remaining, reset (GitHub's time), seconds until then (all empty: not told),
-- '1' if it showed that no limit applies, '1' if it was good, seconds for which nobody may ask,
-- '1' if GitHub did not name them.
-- Gives {limit, remaining, reset} as they are known now.
local state, permits, points = KEYS[1], KEYS[2], KEYS[3]
local id, acquired_at = ARGV[2], tonumber(ARGV[3])
local SAME_HOUR, LONGEST = 60, 3600

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end

redis.call('ZREM', permits, id)
redis.call('ZADD', points, now, id)
redis.call('EXPIRE', points, 120)

local known = redis.call(
  'HMGET', state, 'limit', 'remaining', 'reset', 'paused_from', 'paused_until', 'backoff_count'
)
local limit, remaining, reset = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
if reset then
  local known_reset = tonumber(known[3])
  local is_same_hour = known_reset and math.abs(reset - known_reset) <= SAME_HOUR
  if is_same_hour then
    -- Answers overtake each other: within an hour the smallest is the newest.
    remaining = math.min(remaining, tonumber(known[2]))
    reset = math.max(reset, known_reset)
  end
  if is_same_hour or not known_reset or reset > known_reset then
    redis.call(
      'HSET', state, 'limit', limit, 'remaining', remaining, 'reset', reset,
      'resets_at', now + tonumber(ARGV[7]) + 1
    )
    known[1], known[2], known[3] = limit, remaining, reset
  end
elseif ARGV[8] == '1' and not known[1] then
  redis.call('HSET', state, 'limit', 'none')
end

local pause, paused_from = tonumber(ARGV[10]), tonumber(known[4]) or 0
local paused_until, backoff_count = tonumber(known[5]) or 0, tonumber(known[6]) or 0
if pause > 0 then
  if ARGV[11] == '1' then
    -- Requests that were under way when the pause began are refused for the same reason.
    if acquired_at >= paused_from then backoff_count = backoff_count + 1 end
    pause = math.min(pause * 2 ^ (backoff_count - 1), LONGEST)
    if acquired_at < paused_from then pause = 0 end
  end
  redis.call(
    'HSET', state, 'backoff_count', backoff_count, 'paused_from', math.max(paused_from, now),
    'paused_until', math.max(paused_until, now + pause)
  )
elseif ARGV[9] == '1' and backoff_count > 0 and acquired_at >= paused_until then
  redis.call('HDEL', state, 'backoff_count')
end
redis.call('EXPIRE', state, 7200)
return {known[1] or '', tostring(known[2] or ''), tostring(known[3] or '')}
