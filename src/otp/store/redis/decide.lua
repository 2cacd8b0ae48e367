-- One decision about one user or one number, whole. The store's own description of what
-- a decision means is beside the port (otp/store/mod.rs); the codes of the answers are
-- read in otp/store/redis/mod.rs.
--
-- A user is two keys with one hash tag, so on one slot: the record and the lock.
--   record: o MAC of the OTP, x end of its life, a attempts made, c claim, h its end,
--           f times of failures, w when the last of them stops counting
--   lock:   since, till (empty: an administrator ends it), tenant, name
-- Moments are milliseconds since the epoch. Redis removes what has expired a little
-- later (ARGV[3]); the decisions go by the moments.

local op, now, slack = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local here = time[1] * 1000 + math.floor(time[2] / 1000)
now = now or here

-- Whoever asked has given up, and answered its own caller with a fault: a decision that
-- lay in a queue until now must not happen behind their backs.
local deadline = tonumber(ARGV[4])
if deadline and here > deadline then
  return redis.error_reply('LATE the decision came too late')
end

local function ms(number)
  return string.format('%.0f', number)
end

-- What is remembered of a number: 'q' and the end of its quarantine, or the times of the
-- last requests that were allowed.
if op == 'request' then
  local number = KEYS[1]
  local span, lookback, quarantine = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
  local known = redis.call('GET', number) or ''
  local till = tonumber(string.match(known, '^q(%d+)$'))
  if till and till > now then
    return till - now
  end
  local times = {}
  if not till then
    for at in string.gmatch(known, '%d+') do
      times[#times + 1] = at
    end
  end
  if #times >= lookback and now - tonumber(times[#times - lookback + 1]) < span then
    redis.call('SET', number, 'q' .. ms(now + quarantine), 'PX', ms(quarantine + slack))
    return quarantine
  end
  times[#times + 1] = ms(now)
  local first = math.max(1, #times - lookback + 1)
  redis.call('SET', number, table.concat(times, ',', first), 'PX', ms(span + slack))
  return -1
end

local user, lock = KEYS[1], KEYS[2]

local function lock_ends()
  local till = redis.call('HGET', lock, 'till')
  if not till then
    return 0
  end
  return tonumber(till) or math.huge
end

local function locked()
  return lock_ends() > now
end

-- Redis keeps the record as long as anything in it counts.
local function keep()
  local ends = redis.call('HMGET', user, 'x', 'w')
  local last = math.max(tonumber(ends[1]) or 0, tonumber(ends[2]) or 0)
  if last > now then
    redis.call('PEXPIRE', user, ms(last - now + slack))
  else
    redis.call('DEL', user)
  end
end

local function put_lock(since, till, tenant, name)
  redis.call('HDEL', user, 'c', 'h')
  redis.call('HSET', lock, 'since', since, 'till', till, 'tenant', tenant, 'name', name)
  if till == '' then
    redis.call('PERSIST', lock)
  else
    redis.call('PEXPIRE', lock, ms(tonumber(till) - now + slack))
  end
end

-- ARGV[n] failures lock, within ARGV[n+1], for ARGV[n+2] (empty: for ever); then the
-- tenant and the name for the administrator to read. 1 if this was the one that locks.
local function count_failure(n)
  local failures, window, duration = tonumber(ARGV[n]), tonumber(ARGV[n + 1]), ARGV[n + 2]
  local counting = { ms(now) }
  for at in string.gmatch(redis.call('HGET', user, 'f') or '', '%d+') do
    if tonumber(at) + window > now then
      counting[#counting + 1] = at
    end
  end
  if #counting < failures then
    redis.call('HSET', user, 'f', table.concat(counting, ','), 'w', ms(now + window))
    return 0
  end
  redis.call('HDEL', user, 'f', 'w')
  local till = ''
  if duration ~= '' then
    till = ms(now + tonumber(duration))
  end
  put_lock(ms(now), till, ARGV[n + 3], ARGV[n + 4])
  return 1
end

-- The same time for every MAC of one length.
local function same(one, other)
  local difference = #one - #other
  for n = 1, math.min(#one, #other) do
    difference = bit.bor(difference, bit.bxor(string.byte(one, n), string.byte(other, n)))
  end
  return difference == 0
end

-- A claim ends with its OTP, and a lock has ended it.
local function holds(claim)
  local record = redis.call('HMGET', user, 'c', 'h', 'x')
  return record[1] == claim and tonumber(record[2]) > now and (tonumber(record[3]) or 0) > now
end

if op == 'bind' then
  if locked() then
    return 0
  end
  redis.call('HDEL', user, 'c', 'h')
  redis.call('HSET', user, 'o', ARGV[5], 'x', ms(now + tonumber(ARGV[6])), 'a', 0)
  keep()
  return 1
end

-- 1 right, 2 no OTP, 3 claimed, 4 locked, 8 wrong (and 1 more if burnt, 2 if locked).
if op == 'try' then
  if locked() then
    return 4
  end
  local record = redis.call('HMGET', user, 'o', 'x', 'a', 'h')
  if not record[1] or tonumber(record[2]) <= now then
    return 2
  end
  local right = false
  for n = 13, #ARGV do
    right = same(record[1], ARGV[n]) or right
  end
  if right then
    if record[4] and tonumber(record[4]) > now then
      return 3
    end
    redis.call('HSET', user, 'c', ARGV[5], 'h', ms(now + tonumber(ARGV[6])))
    return 1
  end
  local answer = 8
  if tonumber(record[3]) + 1 >= tonumber(ARGV[7]) then
    redis.call('HDEL', user, 'o', 'x', 'a', 'c', 'h')
    answer = answer + 1
  else
    redis.call('HINCRBY', user, 'a', 1)
  end
  answer = answer + 2 * count_failure(8)
  keep()
  return answer
end

if op == 'consume' then
  if not holds(ARGV[5]) then
    return 0
  end
  redis.call('DEL', user)
  return 1
end

-- 0 the claim does not hold, 1 counted, 2 locked.
if op == 'fail' then
  if not holds(ARGV[5]) then
    return 0
  end
  redis.call('HDEL', user, 'c', 'h')
  local answer = 1 + count_failure(6)
  keep()
  return answer
end

if op == 'release' then
  if holds(ARGV[5]) then
    redis.call('HDEL', user, 'c', 'h')
  end
  return 1
end

if op == 'is_locked' then
  return locked() and 1 or 0
end

if op == 'lock' then
  local till = ARGV[6]
  local lasts = tonumber(till) or math.huge
  if lasts <= math.max(now, lock_ends()) then
    return 0
  end
  put_lock(ARGV[5], till, ARGV[7], ARGV[8])
  return 1
end

if op == 'unlock' then
  if not locked() then
    return 0
  end
  redis.call('DEL', lock)
  redis.call('HDEL', user, 'f', 'w')
  keep()
  return 1
end

if op == 'look' then
  if not locked() then
    return {}
  end
  return redis.call('HMGET', lock, 'since', 'till', 'tenant', 'name')
end

return redis.error_reply('ERR no such decision: ' .. op)
