#!/usr/bin/env python3
"""A caller who goes away takes the statement in PostgreSQL along: within a second, over HTTP/1.1 and over HTTP/2.
See README.md."""

import argparse, socket, subprocess, sys, time

sys.dont_write_bytecode = True

from fleet import Fleet, verdict

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'users' AND wait_event_type = 'Lock'"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bin", default="target/release", help="where the built programs are")
    options = options.parse_args()
    with Fleet(options.bin) as fleet:
        [user] = fleet.make_users(1)
        holds = [gone(fleet, name, ask, user) for name, ask in WAYS.items()]
        status, _ = fleet.call("GET", f"/api/v1/users/{user}")
        holds.append(verdict("the next caller is served", status == 200))
    sys.exit(0 if all(holds) else "FAILED")


def gone(fleet, name, ask, user):
    """Holds a lock that the statement must wait for, and goes away meanwhile."""
    holder = fleet.psql()
    holder.stdin.write("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE;\n")
    holder.stdin.flush()
    time.sleep(0.3)
    waiting = lambda: int(fleet.rows(WAITING)[0][0])
    go = ask(fleet, f"/api/v1/users/{user}")
    fleet.until(lambda: waiting() == 1, 10, "no statement waits for the lock")
    time.sleep(0.5)
    held = waiting() == 1
    began = time.monotonic()
    go()
    while waiting() and time.monotonic() - began < 10:
        time.sleep(0.01)
    took = time.monotonic() - began
    holder.stdin.write("ROLLBACK;\n")
    holder.stdin.close()
    holder.wait()
    return verdict(f"{name}: cancelled in PostgreSQL after {took * 1000:.0f} ms (at most 1000)", held and took <= 1)


def http1(fleet, path):
    caller = socket.create_connection(("127.0.0.1", fleet.gateways[0].port))
    caller.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {fleet.token}\r\n\r\n".encode())
    return caller.close


def http2(fleet, path):
    url = f"http://127.0.0.1:{fleet.gateways[0].port}{path}"
    command = ["curl", "-s", "--http2-prior-knowledge", "-H", f"authorization: Bearer {fleet.token}", url]
    caller = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def go():
        caller.kill()
        caller.wait()

    return go


WAYS = {"a caller over HTTP/1.1": http1, "a caller over HTTP/2": http2}


if __name__ == "__main__":
    main()
