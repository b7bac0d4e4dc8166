#!/usr/bin/env python3
"""Two gateways behind HAProxy, which follows `/ready`, two user and two auth services: each is restarted, one after the
other, under load. No request fails. See README.md."""

import argparse, json, subprocess, sys, time

sys.dont_write_bytecode = True

from fleet import ADMIN, Fleet, free_ports, verdict
from load import Load, percentile

HAPROXY = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout check 5s
    retries 3
    option redispatch
frontend edge
    bind 127.0.0.1:{port}
    default_backend gateways
backend gateways
    balance roundrobin
    option httpchk GET /ready
    default-server check inter 200ms fall 1 rise 1
{servers}
"""


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bin", default="target/release", help="where the built programs are")
    options.add_argument("--rate", type=int, default=200, help="requests a second")
    options = options.parse_args()
    with Fleet(options.bin, gateways=2, users=2, auths=2, GATEWAY__DRAIN_DELAY_SECONDS="2") as fleet:
        [port] = free_ports(1)
        proxy = start_proxy(fleet, port)
        try:
            holds = run(fleet, port, options)
        finally:
            proxy.terminate()
            proxy.wait()
    sys.exit(0 if holds else "FAILED")


def start_proxy(fleet, port):
    servers = "\n".join(f"    server gateway{it.number} 127.0.0.1:{it.port}" for it in fleet.gateways)
    path = f"{fleet.work}/haproxy.cfg"
    with open(path, "w") as file:
        file.write(HAPROXY.format(port=port, servers=servers))
    log = open(f"{fleet.work}/haproxy.log", "w")
    return subprocess.Popen(["haproxy", "-db", "-f", path], stdout=log, stderr=log)


def run(fleet, port, options):
    users = fleet.make_users(20)
    reads = [f"/api/v1/users/{user}" for user in users] + ["/api/v1/users?pageSize=20"] * 5
    write = ("PATCH", f"/api/v1/users/{users[0]}", json.dumps({"displayName": "Somebody else"}))
    sign_in = ("POST", "/api/v1/auth/login", json.dumps({"email": ADMIN[0], "password": ADMIN[1]}))
    mix = (reads * 8)[:190] + [write] * 9 + [sign_in]
    time.sleep(1)
    since = time.monotonic()
    with Load(port, mix, fleet.token, options.rate, connections=64) as load:
        time.sleep(2)
        for member in fleet.all():
            began = time.monotonic()
            member.stop()
            stopped = time.monotonic()
            member.start()
            member.until_ready()
            ready = time.monotonic()
            # HAProxy has to see it too before the other one goes.
            time.sleep(1.5)
            print(f"   {began - since:6.1f} s: {member.name} {member.number} stopped within {stopped - began:.1f} s, "
                  f"was ready again {ready - stopped:.1f} s later", flush=True)
        time.sleep(2)
    p50, p99 = (percentile(load.answers, part, False) * 1000 for part in (0.5, 0.99))
    print(f"   {len(load.answers)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    load.show_failed(since)
    return verdict(f"no request failed ({load.statuses()})", not load.failed())


if __name__ == "__main__":
    main()
