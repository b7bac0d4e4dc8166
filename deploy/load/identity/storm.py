#!/usr/bin/env python3
"""A storm of sign-ins at twice what the machine can hash, and what the others notice of it.

`storm.py URL SECONDS PROGRAM…`: PROGRAM prints the machine's argon2id rate at the same parameters, in hashes a second
over all threads that hash. In ROUNDS rounds, since what a machine can do changes from one moment to the next where
others use it too: that rate, then GET /api/v1/users/me alone, fifty times a second, for the idle p99, then the same
beside sign-ins that arrive at twice that rate. SECONDS is how long the storms last together. Prints the share of the
rate that was accepted, how long refusals took, and the p99 of the GETs; fails when a goal is missed.

The load comes from h2load, which costs the machine the least. The system needs AUTH__GUESSES_PER_ACCOUNT=0,
AUTH__GUESSES_PER_ADDRESS=0 and AUTH__MAILS_PER_ADDRESS=0.
"""

import asyncio
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from client import Client, percentile

ROUNDS = 5
# What a storm needs to fill the queue, and to be forgotten, in seconds.
FILL = 2
LOOKS = 50
PASSWORD = "the right pass phrase"


def rate_alone(program):
    return float(subprocess.run(program, check=True, capture_output=True, text=True).stdout)


class Load:
    """Requests that arrive at a rate for a while, whether those before them were answered or not."""

    def __init__(self, log, url, rate, seconds, *options):
        # h2load would write behind what is there.
        log.unlink(missing_ok=True)
        self.log = log
        command = ["h2load", f"--duration={seconds}", f"--rps={rate}", f"--log-file={log}", *options, url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def answers(self):
        """When each one ended, its status, and how long it took; in seconds."""
        printed, _ = self.process.communicate()
        if self.process.returncode != 0 or " 0 errored, 0 timeout" not in printed:
            sys.exit(f"h2load: {printed}")
        answers = []
        for line in self.log.read_text().splitlines():
            began, status, took = map(int, line.split())
            answers.append(((began + took) / 1e6, status, took / 1e6))
        return answers


class People:
    """Who signs in, each with a process of their own, since h2load has one body for all requests."""

    MANY = 4

    def __init__(self, client, folder):
        self.client, self.bodies = client, []
        run = "%x" % random.getrandbits(40)
        for n in range(self.MANY):
            body = folder / f"person-{n}.json"
            body.write_text(json.dumps({"email": f"storm-{run}-{n}@example.org", "password": PASSWORD}))
            self.bodies.append(body)

    async def register(self):
        for body in self.bodies:
            status, *_ = await self.client.call("POST", "/api/v1/auth/register", json.loads(body.read_text()))
            assert status < 300, status

    async def sign_in(self):
        """Status, tokens and head."""
        status, tokens, _, head = await self.client.call(
            "POST", "/api/v1/auth/login", json.loads(self.bodies[0].read_text())
        )
        return status, tokens, head

    def storm(self, url, rate, seconds):
        # Room on each connection for all who wait.
        options = ["--max-concurrent-streams=100", "--header=content-type: application/json"]
        loads = []
        for body in self.bodies:
            log = body.with_suffix(".log")
            loads.append(Load(log, f"{url}/api/v1/auth/login", rate / self.MANY, seconds, f"--data={body}", *options))
            # Or they would all sign in at the same moments.
            time.sleep(1 / rate)
        return loads


async def measure(url, seconds, program, folder):
    people = People(Client(url), folder)
    await people.register()
    _, tokens, _ = await people.sign_in()
    token = f"--header=authorization: Bearer {tokens['accessToken']}"

    def look(for_seconds):
        return Load(folder / "looks.log", f"{url}/api/v1/users/me", LOOKS, for_seconds, "--h1", token)

    look(FILL).answers()
    raws, idle, during, storms, accepted, told = [], [], [], [], 0, []
    for _ in range(ROUNDS):
        raws.append(rate_alone(program))
        idle += look(seconds).answers()
        began = time.time() + FILL
        end = began + seconds
        loads, looks = people.storm(url, 2 * raws[-1], FILL + seconds), look(FILL + seconds)
        # A few look at what h2load does not tell.
        while time.time() < end - 1:
            await asyncio.sleep(1)
            told.append(await people.sign_in())
        during += looks.answers()
        storm = [answer for load in loads for answer in load.answers()]
        accepted += sum(status == 200 and began <= ended < end for ended, status, _ in storm)
        storms += storm
        await asyncio.sleep(FILL)
    raws.append(rate_alone(program))
    return raws, idle, during, storms, accepted, told


async def main():
    url, seconds, program = sys.argv[1], int(sys.argv[2]) // ROUNDS, sys.argv[3:]
    with tempfile.TemporaryDirectory() as folder:
        raws, idle, during, storms, accepted, told = await measure(url, seconds, program, pathlib.Path(folder))

    # Each storm stands between two of them.
    raw = (sum(raws) - (raws[0] + raws[-1]) / 2) / ROUNDS
    rate = accepted / (ROUNDS * seconds)
    print(f"raw argon2id          {raw:8.1f} /s   {min(raws):.1f} to {max(raws):.1f}")
    print(f"accepted sign-ins     {rate:8.1f} /s   {100 * rate / raw:.1f} % of raw (goal: 95)")
    refused = [took for _, status, took in storms if status == 429]
    if refused:
        heads = [head for status, _, head in told if status == 429]
        print(
            f"refused with 429      {len(refused):8}      p50 {percentile(refused, 0.5):.1f} ms, "
            f"p99 {percentile(refused, 0.99):.1f} ms (goal: 100); "
            f"Retry-After in {sum('retry-after:' in head for head in heads)} of {len(heads)}"
        )
    others = [status for _, status, _ in storms + idle + during if status not in (200, 429)]
    print(f"other answers         {len(others):8}")
    idle, during = [took for _, _, took in idle], [took for _, _, took in during]
    before, after = percentile(idle, 0.99), percentile(during, 0.99)
    print(f"GET users/me p50      {percentile(idle, 0.5):8.2f} ms idle, {percentile(during, 0.5):.2f} ms in the storm")
    print(f"GET users/me p99      {before:8.2f} ms idle, {after:.2f} ms in the storm: {after / before:.2f} times (goal: under 2)")
    if rate < 0.95 * raw or not refused or percentile(refused, 0.99) >= 100 or others or after >= 2 * before:
        sys.exit("storm: a goal is missed")


if __name__ == "__main__":
    asyncio.run(main())
