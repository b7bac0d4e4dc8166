#!/usr/bin/env python3
"""Sends one request to two gateways at the same instant, again and again, and checks that it was done once.

usage: twice.py URL URL TOKEN [TIMES]

The URLs are those of `POST /api/v1/users` at either gateway; the token may write accounts.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
import uuid


def ask(url, token, key, body, barrier, out):
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "idempotency-key": key}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    barrier.wait()
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            out.append((answer.status, json.load(answer)))
    except urllib.error.HTTPError as error:
        out.append((error.code, error.read().decode()))


def main():
    urls, token, times = sys.argv[1:3], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 50
    bad = 0
    for _ in range(times):
        key, answers = uuid.uuid4().hex, []
        body = {"email": f"twice-{key}@example.org"}
        barrier = threading.Barrier(4)
        # Two at each, so that they race within a gateway as well.
        threads = [
            threading.Thread(target=ask, args=(url, token, key, body, barrier, answers)) for url in urls * 2
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ids = {answer["id"] if status == 200 else f"{status}: {answer}" for status, answer in answers}
        if len(answers) != 4 or len(ids) != 1 or not all(status == 200 for status, _ in answers):
            bad += 1
            print(f"{key}: {ids}", file=sys.stderr)
    print(f"{times} requests, each sent four times at once: {bad} were not answered alike")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
