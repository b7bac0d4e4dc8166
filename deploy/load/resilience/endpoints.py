#!/usr/bin/env python3
"""Three user services under a steady load of mixed reads: one is killed, one is stopped in its tracks, and both come
back. No request fails. See README.md."""

import argparse, signal, sys, time

sys.dont_write_bytecode = True

from fleet import Fleet, verdict
from load import Load, percentile


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bin", default="target/release", help="where the built programs are")
    options.add_argument("--rate", type=int, default=400, help="requests a second")
    options.add_argument("--pause", type=float, default=5, help="seconds between what happens")
    options.add_argument("--p99", type=float, default=250, help="milliseconds; 0 asserts nothing about time")
    options = options.parse_args()
    with Fleet(options.bin, users=3) as fleet:
        holds = run(fleet, options)
    sys.exit(0 if holds else "FAILED")


def run(fleet, options):
    since, users = time.monotonic(), fleet.make_users(20)
    paths = [f"/api/v1/users/{user}" for user in users] + ["/api/v1/users?pageSize=20"] * 5
    gateway, marks = fleet.gateways[0], []

    def mark(what):
        marks.append((what, time.monotonic(), gateway.cpu()))
        time.sleep(options.pause)

    with Load(gateway.port, paths, fleet.token, options.rate) as load:
        time.sleep(2)
        mark("all three")
        fleet.users[0].signal(signal.SIGKILL)
        mark("one killed")
        fleet.users[1].signal(signal.SIGSTOP)
        mark("another stopped")
        fleet.users[0].process.wait()
        fleet.users[0].start()
        mark("the first back")
        fleet.users[1].signal(signal.SIGCONT)
        mark("both back")
        end = (time.monotonic(), gateway.cpu())

    print(f"   {'':16} {'requests':>8} {'failed':>6} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'gateway CPU':>11}")
    spent = []
    for (what, at, cpu), (after, later) in zip(marks, [(at, cpu) for _, at, cpu in marks[1:]] + [end]):
        part = load.between(at, after)
        failed = sum(1 for answer in part if not 200 <= answer[2] < 300)
        spent.append((later - cpu) / (after - at))
        times = [percentile(part, it, False) * 1000 for it in (0.5, 0.99, 1)]
        print(f"   {what:16} {len(part):8} {failed:6} {times[0]:8.1f} {times[1]:8.1f} {times[2]:8.1f} {spent[-1]:10.1%}")
    p99 = percentile(load.answers, 0.99, False) * 1000
    rise = (end[1] - marks[1][2]) / (end[0] - marks[1][1]) / max(spent[0], 0.01)
    load.show_failed(since)
    holds = [verdict(f"no request of {len(load.answers)} failed ({load.statuses()})", not load.failed())]
    if options.p99:
        holds.append(verdict(f"p99 of all is {p99:.1f} ms (below {options.p99:.0f})", p99 < options.p99))
        holds.append(verdict(f"the gateway's CPU is {rise:.2f} times what it was (at most 1.5)", rise <= 1.5))
    return all(holds)


if __name__ == "__main__":
    main()
