#!/usr/bin/env python3
"""Thirty-two clients that race to refresh one family, again and again, and a thief in the end.

`family.py URL [URL…] [--rounds N]`: signs in once; in each of N (10000) rounds thirty-two clients, spread over
the URLs, present the current refresh token at once. Each must be answered, all with one and the same successor, and
no token may come twice. In the end a token from the middle is presented after the grace: that must be
refused, end the session, and leave the current token good for nothing. Ends with 1 otherwise.
"""

import argparse
import asyncio
import random
import sys
import time

from client import Client, percentile

RACERS = 32
GRACE = 10
PASSWORD = "the right pass phrase"


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--rounds", type=int, default=10000)
    asked = parser.parse_args()
    clients = [Client(url) for url in asked.urls]
    run = "%x" % random.getrandbits(40)
    body = {"email": f"family-{run}@example.org", "password": PASSWORD}
    await clients[0].call("POST", "/api/v1/auth/register", body)
    _, tokens, _, _ = await clients[0].call("POST", "/api/v1/auth/login", body)
    session, current, access = tokens["sessionId"], tokens["refreshToken"], tokens["accessToken"]

    async def refresh(n, token):
        client = clients[n % len(clients)]
        return await client.call("POST", "/api/v1/auth/refresh", {"refreshToken": token})

    past, times, began = [], [], time.perf_counter()
    for number in range(asked.rounds):
        answers = await asyncio.gather(*(refresh(n, current) for n in range(RACERS)))
        for status, answer, _, _ in answers:
            if status != 200 or answer["sessionId"] != session:
                sys.exit(f"round {number}: a racer was answered {status} {answer}")
        successors = {answer["refreshToken"] for _, answer, _, _ in answers}
        if len(successors) != 1:
            sys.exit(f"round {number}: {len(successors)} successors")
        past.append(current)
        current = successors.pop()
        access = answers[0][1]["accessToken"]
        times.extend(elapsed for _, _, elapsed, _ in answers)
        if number % 1000 == 999:
            print(f"  {number + 1} rounds after {time.perf_counter() - began:.0f} s", flush=True)
    took = time.perf_counter() - began
    if len({*past, current}) != asked.rounds + 1:
        sys.exit("a token came twice")
    print(
        f"family     {asked.rounds} rounds of {RACERS} racers over {len(clients)} processes in {took:.0f} s: "
        f"no racer was refused, one successor each; p50 {percentile(times, 0.5):.1f} ms, "
        f"p99 {percentile(times, 0.99):.1f} ms"
    )

    await asyncio.sleep(GRACE + 1)
    stolen, _, _, _ = await refresh(1, past[len(past) // 2])
    owner, _, _, _ = await refresh(0, current)
    me, _, _, _ = await clients[0].call("GET", "/api/v1/users/me", token=access)
    if (stolen, owner) != (401, 401):
        sys.exit(f"after the theft: the thief is answered {stolen}, the owner {owner}")
    print(f"theft      the old token was refused with {stolen}, and the family is dead: {owner} for its newest token")
    if len(clients) == 1 and me != 401:
        sys.exit(f"after the theft: an access token of the family is answered {me}")


asyncio.run(main())
