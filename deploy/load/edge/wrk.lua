-- Prints one line that a script can read: requests, microseconds, faults, p50 and p99 in microseconds.
done = function(summary, latency)
  local errors = summary.errors
  local faults = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("WRK %d %d %d %d %d", summary.requests, summary.duration, faults,
    latency:percentile(50), latency:percentile(99)))
end
