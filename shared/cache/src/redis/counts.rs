//! Counting in Redis: the same reckoning as in memory, in one script each, by Redis's own clock.

use std::time::Duration;

use deadpool_redis::redis::{self, Pipeline};

use crate::{Rate, Taken};

/// Whether it was taken, how many remain, and when to come back, in microseconds.
pub(super) type Answer = (u8, u32, u64);

/// `KEYS[1]` holds a moment for each rate; `ARGV` is the cost, then interval and whole time of each rate,
/// all in microseconds.
const TAKE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ends = {}
for moment in string.gmatch(redis.call('GET', KEYS[1]) or '', '%S+') do ends[#ends + 1] = tonumber(moment) end
local cost, wait, last, remaining = tonumber(ARGV[1]), 0, 0, 4294967295
local count = (#ARGV - 1) / 2
for i = 1, count do
  ends[i] = math.max(ends[i] or 0, now)
  wait = math.max(wait, ends[i] + ARGV[2 * i] * cost - now - ARGV[2 * i + 1])
end
for i = 1, count do
  if wait <= 0 then ends[i] = ends[i] + ARGV[2 * i] * cost end
  last = math.max(last, ends[i])
  local left = math.floor((ARGV[2 * i + 1] - (ends[i] - now)) / ARGV[2 * i])
  remaining = math.max(0, math.min(remaining, left))
  ends[i] = string.format('%.0f', ends[i])
end
if wait <= 0 and cost > 0 then
  local millis = math.ceil((last - now) / 1000)
  redis.call('SET', KEYS[1], table.concat(ends, ' '), 'PX', string.format('%.0f', math.max(1, millis)))
end
return { wait <= 0 and 1 or 0, remaining, string.format('%.0f', math.max(0, wait)) }";

/// `ARGV` is what was spent already, then interval, whole time and debt of each rate. Takes one.
const SETTLE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ends = {}
for moment in string.gmatch(redis.call('GET', KEYS[1]) or '', '%S+') do ends[#ends + 1] = tonumber(moment) end
local spent, wait, last, remaining = tonumber(ARGV[1]), 0, 0, 4294967295
local count = (#ARGV - 1) / 3
for i = 1, count do
  local interval, whole, debt = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  ends[i] = math.max(ends[i] or 0, now + debt) + interval * spent
  wait = math.max(wait, ends[i] + interval - now - whole)
end
for i = 1, count do
  local interval, whole = ARGV[3 * i - 1], ARGV[3 * i]
  if wait <= 0 then ends[i] = ends[i] + interval end
  last = math.max(last, ends[i])
  remaining = math.max(0, math.min(remaining, math.floor((whole - (ends[i] - now)) / interval)))
  ends[i] = string.format('%.0f', ends[i])
end
local millis = math.ceil((last - now) / 1000)
redis.call('SET', KEYS[1], table.concat(ends, ' '), 'PX', string.format('%.0f', math.max(1, millis)))
return { wait <= 0 and 1 or 0, remaining, string.format('%.0f', math.max(0, wait)) }";

/// `ARGV` is the cost, then the interval of each rate.
const PUT_BACK: &str = r"
local stored = redis.call('GET', KEYS[1])
if not stored then return 0 end
local ends = {}
for moment in string.gmatch(stored, '%S+') do
  local back = (ARGV[#ends + 2] or 0) * ARGV[1]
  ends[#ends + 1] = string.format('%.0f', math.max(0, tonumber(moment) - back))
end
redis.call('SET', KEYS[1], table.concat(ends, ' '), 'KEEPTTL')
return 1";

pub(super) fn take(key: &str, rates: &[Rate], cost: u32) -> Pipeline {
    let mut pipe = redis::pipe();
    let script = pipe.cmd("EVAL").arg(TAKE).arg(1).arg(key).arg(cost);
    for rate in rates {
        script.arg(rate.interval()).arg(rate.whole());
    }
    pipe
}

pub(super) fn settle(key: &str, rates: &[Rate], spent: u32, debts: &[u64]) -> Pipeline {
    let mut pipe = redis::pipe();
    let script = pipe.cmd("EVAL").arg(SETTLE).arg(1).arg(key).arg(spent);
    for (rate, debt) in rates.iter().zip(debts) {
        script.arg(rate.interval()).arg(rate.whole()).arg(debt);
    }
    pipe
}

pub(super) fn taken((allowed, remaining, wait): Answer) -> Taken {
    Taken {
        allowed: allowed == 1,
        remaining,
        retry_after: Duration::from_micros(wait),
    }
}

pub(super) fn put_back(key: &str, rates: &[Rate], cost: u32) -> Pipeline {
    let mut pipe = redis::pipe();
    let script = pipe.cmd("EVAL").arg(PUT_BACK).arg(1).arg(key).arg(cost);
    for rate in rates {
        script.arg(rate.interval());
    }
    script.ignore();
    pipe
}
