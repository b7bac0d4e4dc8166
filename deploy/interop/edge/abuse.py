#!/usr/bin/env python3
"""Sends every request of the abuse corpus to a gateway, and checks what each gets.

usage: abuse.py HOST PORT TOKEN CORPUS

TOKEN is an access token that may read accounts. The corpus explains its own form.
"""

import re
import socket
import sys
import time

PATIENCE, SILENCE = 15.0, 0.2


def cases(path, token):
    found = []
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("== "):
            found.append({"name": line[3:], "want": [], "code": None, "bytes": b""})
        elif line[:1] in (">", "|") and found:
            text = line[2:] if line[1:2] == " " else line[1:]
            found[-1]["bytes"] += encoded(text, token) + (b"\r\n" if line[0] == ">" else b"")
        elif line.startswith("want "):
            found[-1]["want"] = line.split()[1:]
        elif line.startswith("code "):
            found[-1]["code"] = line.split()[1]
    return found


def encoded(text, token):
    text = text.replace("{TOKEN}", token)
    text = re.sub(r"\{([^{}]*)\*(\d+)\}", lambda m: m[1] * int(m[2]), text)
    plain = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}
    out = b""
    for part in re.split(r"(\\x[0-9a-f]{2}|\\.)", text):
        if part.startswith("\\x") and len(part) == 4:
            out += bytes([int(part[2:], 16)])
        elif part.startswith("\\"):
            out += plain.get(part[1], part[1].encode())
        else:
            out += part.encode()
    return out


def answer(host, port, request):
    """All that comes back until nothing does for a while; None when nothing does at all."""
    got, start = b"", time.monotonic()
    with socket.create_connection((host, port), timeout=PATIENCE) as link:
        try:
            link.sendall(request)
        except OSError:
            pass  # The edge may close before it has read everything.
        while time.monotonic() - start < PATIENCE:
            link.settimeout(SILENCE if got else PATIENCE)
            try:
                chunk = link.recv(65536)
            except TimeoutError:
                return got or None
            except OSError:
                return got
            if not chunk:
                return got
            got += chunk
    return got or None


def fault(case, got):
    if got is None:
        return "hangs"
    status = got.split(b" ")[1].decode("latin-1") if got.startswith(b"HTTP/1.") else "closed"
    text = got.decode("latin-1")
    if status not in case["want"]:
        return f"{status}: {text[:500]}"
    if "HTTP/1.1 5" in text:
        return f"a failure of the edge: {text[:500]}"
    if case["code"] and f'"code":"{case["code"]}"' not in text:
        return f"no {case['code']}: {text[:500]}"
    return None


def main():
    host, port, token, path = sys.argv[1:]
    corpus = cases(path, token)
    faults = 0
    for case in corpus:
        found = fault(case, answer(host, int(port), case["bytes"]))
        if found:
            faults += 1
            print(f"== {case['name']}\n{found}", file=sys.stderr)
    print(f"{len(corpus)} requests, {faults} faults")
    sys.exit(faults > 0 or len(corpus) < 60)


if __name__ == "__main__":
    main()
