#!/usr/bin/env python3
"""A storm of sign-ins at twice what the machine can hash, and what the others notice of it.

`storm.py URL SECONDS PROGRAM…`: PROGRAM prints the machine's argon2id rate at the same parameters, in hashes a second
over all threads that hash. In ROUNDS rounds, since what a machine can do changes from one moment to the next where
others use it too: that rate, then GET /api/v1/users/me alone, fifty times a second, for the idle p99, then the same
beside sign-ins that arrive at twice that rate. SECONDS is how long the storms last together. Prints the share of the
rate that was accepted, how long refusals took, and the p99 of the GETs.

The system needs AUTH__GUESSES_PER_ACCOUNT=0, AUTH__GUESSES_PER_ADDRESS=0 and AUTH__MAILS_PER_ADDRESS=0.
"""

import asyncio
import concurrent.futures
import random
import subprocess
import sys
import time

from client import Client, percentile

ROUNDS = 5
# What a storm needs to fill the queue, and to be forgotten, in seconds.
FILL = 2
PEOPLE = 20
PASSWORD = "the right pass phrase"


def rate_alone(program):
    return float(subprocess.run(program, check=True, capture_output=True, text=True).stdout)


def looked(url, token, seconds):
    """How long each GET of one's own account took."""

    async def look():
        client, times, end = Client(url), [], time.perf_counter() + seconds
        while time.perf_counter() < end:
            status, _, elapsed, _ = await client.call("GET", "/api/v1/users/me", token=token)
            assert status == 200, status
            times.append(elapsed)
            await asyncio.sleep(0.02)
        return times

    return asyncio.run(look())


class Storm:
    """Sign-ins that arrive at a rate for a while, and what became of them."""

    def __init__(self, client, people):
        self.client, self.people, self.outcomes = client, people, []

    async def sign_in(self):
        body = {"email": random.choice(self.people), "password": PASSWORD}
        status, _, elapsed, head = await self.client.call("POST", "/api/v1/auth/login", body)
        self.outcomes.append((time.perf_counter(), status, elapsed, "retry-after:" in head))

    async def rage(self, rate, until):
        calls, due = [], time.perf_counter()
        while due < until:
            calls.append(asyncio.ensure_future(self.sign_in()))
            due += 1 / rate
            await asyncio.sleep(max(0, due - time.perf_counter()))
        return calls


async def main():
    url, seconds, program = sys.argv[1], float(sys.argv[2]) / ROUNDS, sys.argv[3:]
    client = Client(url)
    run = "%x" % random.getrandbits(40)
    people = [f"storm-{run}-{n}@example.org" for n in range(PEOPLE)]
    for email in people:
        await client.call("POST", "/api/v1/auth/register", {"email": email, "password": PASSWORD})
    _, tokens, _, _ = await client.call(
        "POST", "/api/v1/auth/login", {"email": people[0], "password": PASSWORD}
    )
    token = tokens["accessToken"]

    # In a process of its own, or it would wait for what this one does with the answers of the storm.
    pool = concurrent.futures.ProcessPoolExecutor(max_workers=1)

    def look(for_seconds):
        return asyncio.get_running_loop().run_in_executor(pool, looked, url, token, for_seconds)

    await look(FILL)
    storm, raws, idle, during, accepted = Storm(client, people), [], [], [], 0
    for _ in range(ROUNDS):
        raws.append(rate_alone(program))
        idle += await look(seconds)
        began = time.perf_counter()
        end = began + FILL + seconds
        looking = look(FILL + seconds)
        calls = await storm.rage(2 * raws[-1], end)
        during += await looking
        await asyncio.gather(*calls)
        accepted += sum(o[1] == 200 and began + FILL <= o[0] < end for o in storm.outcomes)
        await asyncio.sleep(FILL)
    raws.append(rate_alone(program))

    # Each storm stands between two of them.
    raw = (sum(raws) - (raws[0] + raws[-1]) / 2) / ROUNDS
    refused = [o for o in storm.outcomes if o[1] == 429]
    others = [o for o in storm.outcomes if o[1] not in (200, 429)]
    rate = accepted / (ROUNDS * seconds)
    print(f"raw argon2id          {raw:8.1f} /s   {min(raws):.1f} to {max(raws):.1f}")
    print(f"accepted sign-ins     {rate:8.1f} /s   {100 * rate / raw:.1f} % of raw (goal: 95)")
    if refused:
        print(
            f"refused with 429      {len(refused):8}      p50 {percentile([o[2] for o in refused], 0.5):.1f} ms, "
            f"p99 {percentile([o[2] for o in refused], 0.99):.1f} ms (goal: 100), "
            f"Retry-After in {sum(o[3] for o in refused)}"
        )
    print(f"other answers         {len(others):8}")
    before, after = percentile(idle, 0.99), percentile(during, 0.99)
    print(f"GET users/me p50      {percentile(idle, 0.5):8.2f} ms idle, {percentile(during, 0.5):.2f} ms in the storm")
    print(f"GET users/me p99      {before:8.2f} ms idle, {after:.2f} ms in the storm: {after / before:.2f} times (goal: under 2)")


if __name__ == "__main__":
    asyncio.run(main())
