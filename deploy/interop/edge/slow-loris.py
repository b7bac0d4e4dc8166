#!/usr/bin/env python3
"""Holds many slow connections to a gateway, and checks that it ends them and serves others meanwhile.

usage: slow-loris.py HOST PORT HEAD_TIMEOUT REQUEST_TIMEOUT CONNECTIONS

The timeouts, in seconds, are those of the gateway's configuration.
"""

import http.client
import socket
import sys
import threading
import time

LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
# What each kind says first, what it goes on with every half second, and which timeout ends it.
KINDS = {
    "says nothing": (b"", b"", "head"),
    "sends a head byte by byte": (b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ", b"a", "head"),
    "sends a preface and no more": (b"PRI * HTTP/2.0\r\n\r\nSM", b"", "head"),
    "sends a body byte by byte": (LOGIN + b"content-length: 1000\r\n\r\n", b" ", "request"),
    "sends chunks of one byte": (LOGIN + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", "request"),
}
# What the last byte's way, and a busy machine, may add.
SLACK = 6.0


def hold(address, first, more, limit, out):
    """How long it took until the connection ended; None when it outlived its limit."""
    start = time.monotonic()
    try:
        with socket.create_connection(address, timeout=10) as link:
            link.sendall(first)
            link.settimeout(0.5)
            while time.monotonic() - start < limit + SLACK:
                try:
                    if not link.recv(4096):
                        break
                except TimeoutError:
                    link.sendall(more)
            else:
                out.append(None)
                return
    except OSError:
        pass  # Reset, or closed before the next byte: it has ended.
    out.append(time.monotonic() - start)


def main():
    host, port, head, request, connections = sys.argv[1], *map(int, sys.argv[2:])
    limits = {"head": head, "request": request}
    held, threads = {name: [] for name in KINDS}, []
    for name, (first, more, which) in KINDS.items():
        for _ in range(connections):
            arguments = ((host, port), first, more, limits[which], held[name])
            threads.append(threading.Thread(target=hold, args=arguments))
    for thread in threads:
        thread.start()
    slowest, failed = 0.0, 0
    while any(thread.is_alive() for thread in threads):
        start = time.monotonic()
        try:
            link = http.client.HTTPConnection(host, port, timeout=10)
            link.request("GET", "/health")
            failed += link.getresponse().status != 200
            link.close()
        except OSError:
            failed += 1
        slowest = max(slowest, time.monotonic() - start)
        time.sleep(0.1)
    bad = failed > 0
    for name, lives in held.items():
        outlived = sum(life is None for life in lives)
        longest = max((life for life in lives if life is not None), default=0.0)
        print(f"{name}: {len(lives)} connections, the longest {longest:.1f} s, {outlived} outlived their time")
        bad |= outlived > 0 or len(lives) != connections
    print(f"meanwhile the slowest answer to somebody else took {slowest * 1000:.0f} ms, {failed} failed")
    sys.exit(bad)


if __name__ == "__main__":
    main()
