#!/usr/bin/env python3
"""Whether the time of an answer tells who has an account.

Against a running system, `timing.py URL [COUNT]` asks for COUNT (500) known and as many unknown accounts,
interleaved and in random order, one after the other: sign-in with a wrong password, a forgotten password,
and registration of an address that is taken or free. For each it compares the bodies, and the two
distributions of time by a Kolmogorov-Smirnov test at 1 %; ends with 1 when they are told apart.

The system needs AUTH__GUESSES_PER_ACCOUNT=0, AUTH__GUESSES_PER_ADDRESS=0, AUTH__MAILS_PER_ACCOUNT=0 and
AUTH__MAILS_PER_ADDRESS=0, since these limits, too, treat known and unknown alike.
"""

import http.client
import json
import math
import random
import sys
import time
import urllib.parse

KNOWN = 20


def main():
    url = urllib.parse.urlsplit(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)

    def post(path, body):
        body = json.dumps(body)
        began = time.perf_counter()
        connection.request("POST", "/api/v1/auth/" + path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        return time.perf_counter() - began, answer.status, text

    run = "%x" % random.getrandbits(40)
    password = "the right pass phrase"
    known = [f"known-{run}-{n:04}@example.org" for n in range(KNOWN)]
    for email in known:
        status = post("register", {"email": email, "password": password})[1]
        if status != 200:
            sys.exit(f"cannot register: {status}")

    def unknown(n):
        return f"other-{run}-{n:04}@example.org"

    kinds = {
        "login": lambda email: ("login", {"email": email, "password": "a wrong pass phrase"}),
        "forgot": lambda email: ("password:forgot", {"email": email}),
        "register": lambda email: ("register", {"email": email, "password": "another pass phrase"}),
    }
    apart = False
    for kind, ask in kinds.items():
        for n in range(40):
            post(*ask(random.choice(known) if n % 2 else unknown(f"w{kind}{n}")))
        order = [True] * count + [False] * count
        random.shuffle(order)
        times, answers = {True: [], False: []}, {True: set(), False: set()}
        for n, is_known in enumerate(order):
            email = random.choice(known) if is_known else unknown(f"{kind[0]}{n:06}")
            elapsed, status, text = post(*ask(email))
            times[is_known].append(elapsed)
            answer = json.loads(text)
            answer.pop("requestId", None)
            answers[is_known].add((status, json.dumps(answer, sort_keys=True)))
        distance = ks(times[True], times[False])
        limit = 1.628 * math.sqrt(2 / count)
        same = answers[True] == answers[False] and len(answers[True]) == 1
        bad = distance > limit or not same
        apart |= bad
        median = {key: sorted(values)[count // 2] * 1000 for key, values in times.items()}
        print(
            f"{kind:9} {count} + {count}: median {median[True]:.2f} ms known, {median[False]:.2f} ms unknown; "
            f"KS distance {distance:.4f}, limit at 1 % {limit:.4f}; answers {'equal' if same else answers}: "
            f"{'TOLD APART' if bad else 'not told apart'}",
            flush=True,
        )
    sys.exit(1 if apart else 0)


def ks(first, second):
    """The largest distance between two empirical distribution functions."""
    first, second = sorted(first), sorted(second)
    i = j = 0
    largest = 0.0
    while i < len(first) and j < len(second):
        value = min(first[i], second[j])
        while i < len(first) and first[i] <= value:
            i += 1
        while j < len(second) and second[j] <= value:
            j += 1
        largest = max(largest, abs(i / len(first) - j / len(second)))
    return largest


main()
