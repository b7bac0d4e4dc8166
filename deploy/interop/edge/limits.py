#!/usr/bin/env python3
"""Reads what h2load logged at several gateways of one limit, and checks how much they let pass.

usage: limits.py LIMIT PERIOD PHASES LOG…

PHASES is a comma-separated list of NAME:FROM:TO:TIMES, in seconds after the first request of all logs: in each of
them the gateways together must have let TIMES times the limit's rate pass, within 1 % (a process on its own: within
2 %). TIMES with a `+` has the whole limit at once on top. A line of a log is the start in microseconds since 1970,
the status, and the time taken in microseconds.
"""

import sys


def main():
    limit, period = int(sys.argv[1]), float(sys.argv[2])
    rate = limit / period
    rows = []
    for path in sys.argv[4:]:
        for line in open(path, encoding="ascii"):
            start, status, took = line.split()[:3]
            rows.append((int(start) + int(took), int(status)))
    statuses = {}
    for _, status in rows:
        statuses[status] = statuses.get(status, 0) + 1
    print("all answers:", ", ".join(f"{count} of {status}" for status, count in sorted(statuses.items())))
    bad = set(statuses) - {200, 429}
    if bad:
        print(f"there are answers of {sorted(bad)}")
    zero = min(at for at, _ in rows)
    passed = sorted((at - zero) / 1e6 for at, status in rows if status == 200)
    for phase in sys.argv[3].split(","):
        name, begin, end, times = phase.split(":")
        begin, end = float(begin), float(end)
        count = sum(begin <= at < end for at in passed)
        burst = limit if times.endswith("+") else 0
        times = float(times.rstrip("+"))
        due = burst + rate * (end - begin) * times
        off = 100 * (count / due - 1)
        within = 1.0 if times == 1 else 2.0
        verdict = "holds" if abs(off) <= within else "DOES NOT HOLD"
        print(f"{name}: {count} passed from {begin:g} to {end:g} s, {due:.0f} were due: {off:+.2f} %, {verdict}")
        bad |= {name} if abs(off) > within else set()
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
