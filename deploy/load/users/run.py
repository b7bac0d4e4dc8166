#!/usr/bin/env python3
"""Measures the user service with many accounts: gateway, user and auth service as three processes on a throwaway
PostgreSQL, all on loopback. See README.md beside this file. Prints what it finds, and fails where a promise does
not hold."""

import argparse, collections, http.client, json, os, random, re, statistics, subprocess, sys, threading, time

sys.dont_write_bytecode = True

from system import System

HERE = os.path.dirname(os.path.abspath(__file__))
MEGABYTES = 40
SERVICES = ["gateway", "user", "auth"]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bin", default="target/release", help="where the built programs are")
    options.add_argument("--accounts", type=int, default=1_000_000)
    options.add_argument("--import", type=int, default=100_000, dest="imported")
    options.add_argument("--seconds", type=int, default=60, help="how long the writers write")
    options.add_argument("--samples", type=int, default=500)
    options.add_argument("--rate", type=int, default=5000, help="accounts/s that an import has to reach")
    options.add_argument("--only", default="resume,writers,import,reads,export",
                         help="`seed` fills the table in the place of `import`, faster and without events")
    options = options.parse_args()
    steps = options.only.split(",")
    with System(options.bin) as system:
        print(machine())
        failed = []
        for name in steps:
            print(f"\n== {name}", flush=True)
            begun = time.monotonic()
            if not STEPS[name](system, options):
                failed.append(name)
            print(f"   ({time.monotonic() - begun:.0f} s)", flush=True)
    if failed:
        sys.exit(f"FAILED: {', '.join(failed)}")


def machine():
    model = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo").read())
    memory = int(re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read())[1]) // 1024 // 1024
    load = open("/proc/loadavg").read().split()[0]
    return f"{model[1] if model else '?'}, {os.cpu_count()} cores, {memory} GiB, load before: {load}"


def verdict(promise, holds):
    print(f"   {'ok    ' if holds else 'FAILED'} {promise}", flush=True)
    return holds


# -- resume: an import that is killed at half and resumed, with a consumer of the feed


def resume(system, options):
    count, path = options.imported, os.path.join(system.work, "accounts.ndjson")
    with open(path, "w") as file:
        for n in range(count):
            user = {"email": f"person{n}@import.test", "displayName": f"Person {n}", "locale": "en"}
            file.write(json.dumps({"user": user}) + "\n")
    consumer = Consumer(system)
    before = system.number("SELECT count(*) FROM users")
    system.reset_peaks()
    cpu = system.cpu()
    begun = time.monotonic()
    client = system.client("import", path)  # portico-user import
    while system.number("SELECT count(*) FROM users") - before < count // 2:
        if client.poll() is not None:
            break
        time.sleep(0.1)
    client.kill()
    client.wait()
    half = system.number("SELECT count(*) FROM users") - before
    print(f"   killed after {half} accounts; the same command once more:")
    print(indented(system.run_client("import", path)))
    seconds = time.monotonic() - begun
    peaks, spent = system.peaks(), system.cpu(since=cpu)
    there = system.number("SELECT count(*) FROM users") - before
    consumer.wait_for(lambda seen: sum(email.endswith("@import.test") for email in seen.emails.values()) >= count)
    mine = [email for email in consumer.emails.values() if email.endswith("@import.test")]
    consumer.end()
    print(f"   {count / seconds:.0f} accounts/s over all; CPU seconds: {spent}; peak RSS in MB: {peaks}")
    return all([
        verdict(f"exactly {count} accounts (there are {there})", there == count),
        verdict(f"each told once to the consumer ({len(mine)} told)", len(mine) == count and not consumer.faults),
        verdict(f"under {MEGABYTES} MB in gateway, user and auth", max(peaks.values()) < MEGABYTES),
    ])


class Consumer(threading.Thread):
    """Follows the feed through the gateway, and notes what is missing, doubled or out of order."""

    def __init__(self, system, after=0):
        super().__init__(daemon=True)
        self.system, self.last = system, after
        self.emails, self.revisions, self.events, self.faults = {}, {}, 0, []
        self.wanted = True
        self.start()

    def run(self):
        while self.wanted:
            try:
                connection = self.system.connect()
                path = f"/api/v1/users:watch?after={self.last}"
                connection.request("GET", path, headers=self.system.headers())
                answer = connection.getresponse()
                while self.wanted and answer.status == 200 and (line := answer.readline()):
                    self.take(json.loads(line))
                connection.close()
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.2)

    def end(self):
        """Listens no longer, so that what comes next is measured without it."""
        self.wanted = False

    def take(self, event):
        if "error" in event:
            return
        sequence = int(event["sequence"])
        if sequence <= self.last:
            self.faults.append(f"{sequence} came behind {self.last}")
        self.last = sequence
        self.events += 1
        change = event["user"]
        account, revision = change["user"]["id"], int(change["revision"])
        expected = self.revisions.get(account, 0) + 1
        if revision != expected:
            self.faults.append(f"{account}: revision {revision} where {expected} was due")
        self.revisions[account] = revision
        self.emails[account] = change["user"]["email"]

    def wait_for(self, done, seconds=120):
        deadline = time.monotonic() + seconds
        while not done(self) and time.monotonic() < deadline:
            time.sleep(0.2)


# -- writers: many at once, with readers of the feed


def writers(system, options):
    connection = system.connect()
    accounts = [
        system.call(connection, "POST", "/api/v1/users", {"email": f"w{n}-{time.time_ns()}@writers.test"})[1]["id"]
        for n in range(200)
    ]
    readers = [Consumer(system) for _ in range(3)]
    deadline = time.monotonic() + options.seconds
    counts, lock = collections.Counter(), threading.Lock()

    def write(writer):
        connection = system.connect()
        own = random.Random(writer)
        while time.monotonic() < deadline:
            name = f"{writer} {own.random()}"
            status, _ = system.call(connection, "PATCH", f"/api/v1/users/{own.choice(accounts)}", {"displayName": name})
            with lock:
                counts[status] += 1

    threads = [threading.Thread(target=write, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    revisions = dict(system.rows("SELECT id::text, revision FROM users WHERE email LIKE '%@writers.test'"))
    wanted = {account: int(revisions[account]) for account in accounts}
    agree = lambda reader: all(reader.revisions.get(a) == wanted[a] for a in accounts)
    for reader in readers:
        reader.wait_for(agree, 30)
        reader.end()
    rows = system.number("SELECT count(*) FROM outbox WHERE kind = 'user'")
    written = sum(wanted.values()) - len(accounts)
    print(f"   answers by status: {dict(counts)}; {written / options.seconds:.0f} changes/s")
    return all([
        verdict(f"each of the {counts[200]} changes was kept ({written})", counts[200] == written),
        verdict("every reader has each account's last change, and none twice or out of order",
                all(agree(reader) and not reader.faults for reader in readers)),
        verdict(f"every reader has as many events as there are ({rows})",
                all(reader.events == rows for reader in readers)),
    ])


# -- import: a million accounts through the gateway


def import_all(system, options):
    count, path = options.accounts, os.path.join(system.work, "million.ndjson")
    with open(path, "w") as file:
        for n in range(1, count + 1):
            file.write(json.dumps({"user": person(n)}) + "\n")
    before = system.number("SELECT count(*) FROM users")
    system.reset_peaks()
    cpu = system.cpu()
    begun = time.monotonic()
    print(indented(system.run_client("import", path)))
    rate = count / (time.monotonic() - begun)
    peaks, spent = system.peaks(), system.cpu(since=cpu)
    there = system.number("SELECT count(*) FROM users") - before
    os.remove(path)
    print(f"   {rate:.0f} accounts/s; CPU seconds: {spent}; peak RSS in MB: {peaks}")
    system.psql("-c", "VACUUM ANALYZE users")
    return all([
        verdict(f"{count} accounts were added ({there})", there == count),
        verdict(f"at least {options.rate} accounts/s", rate >= options.rate),
        verdict(f"under {MEGABYTES} MB in gateway, user and auth", max(peaks[it] for it in SERVICES) < MEGABYTES),
    ])


def person(n):
    """The same people as those of seed.sql."""
    given = ["Ada", "Grace", "Alan", "Edsger", "Barbara"][n % 5]
    family = ["Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Lamport"][n % 7]
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1704067200 + 60 * n))
    return {"email": f"person{n}@seed.test", "emailVerified": n % 3 == 0, "displayName": f"{given} {family} {n}",
            "givenName": given, "familyName": family, "locale": "en", "timeZone": "Europe/Vienna",
            "status": "USER_STATUS_SUSPENDED" if n % 50 == 0 else "USER_STATUS_ACTIVE", "createTime": created}


# -- seed: a million accounts, straight into the table


def seed(system, options):
    before = system.number("SELECT count(*) FROM users")
    system.psql("-v", f"count={options.accounts}", "-f", os.path.join(HERE, "seed.sql"))
    there = system.number("SELECT count(*) FROM users") - before
    size = system.rows("SELECT pg_size_pretty(pg_total_relation_size('users'))")[0][0]
    print(f"   the table and its indexes: {size}")
    return verdict(f"{options.accounts} accounts were added ({there})", there == options.accounts)


# -- reads: what a client waits for, and the plan behind it


def reads(system, options):
    connection = system.connect()
    chosen = system.rows("SELECT id::text, email FROM users WHERE email LIKE '%@seed.test' "
                         f"AND id > (SELECT id FROM users OFFSET 1000 LIMIT 1) ORDER BY md5(id::text) LIMIT {options.samples}")
    ids, emails = [row[0] for row in chosen], [row[1] for row in chosen]
    deep = token_of_page(system, connection, 10_000)
    page = "/api/v1/users?pageSize=50"
    filters = "status = ACTIVE AND create_time > \"2024-06-01T00:00:00Z\" AND email : \"7@seed.test\""
    names = ["ada", "lovelace 12", "person77", "grace", "hop"]
    queries = {
        "get": lambda n: f"/api/v1/users/{ids[n % len(ids)]}",
        "look-up by e-mail": lambda n: listed(filter=f'email = "{emails[n % len(emails)]}"'),
        "page 1": lambda n: page,
        "page 10,000": lambda n: f"{page}&pageToken={deep}",
        "filtered page": lambda n: listed(filter=filters),
        "search": lambda n: listed(search=f"{names[n % len(names)]}"),
        # Everybody has the word, and nobody what the filter asks for.
        "search, filtered": lambda n: listed(search="person", filter='locale = "xx"'),
    }
    times, good = {name: [] for name in queries}, []
    # In turns, so that whatever else the machine does meets all of them alike.
    for n in range(options.samples):
        for name, path in queries.items():
            begun = time.perf_counter()
            status, answer = system.call(connection, "GET", path(n))
            times[name].append(1000 * (time.perf_counter() - begun))
            if status != 200:
                good.append(verdict(f"{name}: {status} {answer}", False))
                return False
    print(f"   {'':18} {'p50 ms':>8} {'p99 ms':>8}   through the gateway, one connection")
    for name, taken in times.items():
        print(f"   {name:18} {statistics.median(taken):8.2f} {statistics.quantiles(taken, n=100)[98]:8.2f}")
    words = {name: max(times["search"][n::len(names)]) for n, name in enumerate(names)}
    print("   the slowest search for " + ", ".join(f"`{name}` {taken:.1f}" for name, taken in words.items()))
    median = {name: statistics.median(taken) for name, taken in times.items()}
    ratio = median["page 10,000"] / median["page 1"]
    slow = statistics.quantiles(times["search"], n=100)[98]
    good += [
        verdict(f"page 10,000 costs at most 1.2 x page 1 ({ratio:.2f})", ratio <= 1.2),
        verdict(f"search within 20 ms at p99 ({slow:.1f})", slow <= 20),
    ]
    plans = system.plans({name: path(1) for name, path in queries.items()})
    for name, plan in plans.items():
        print(f"\n   {name}\n" + "\n".join(f"      {line}" for line in plan))
    for name in ["get", "look-up by e-mail"]:
        one = len(plans[name]) > 0 and not any("Seq Scan" in line for line in plans[name])
        good.append(verdict(f"{name} is an index probe", one and any("Index" in line for line in plans[name])))
    return all(good)


def listed(**query):
    from urllib.parse import urlencode
    return "/api/v1/users?" + urlencode({"pageSize": 50, **query})


def token_of_page(system, connection, number):
    """The token of a page of 50, reached in larger steps."""
    left, token = 50 * (number - 1), ""
    while left:
        size = min(left, 1000)
        path = f"/api/v1/users?pageSize={size}&readMask=id" + (f"&pageToken={token}" if token else "")
        status, answer = system.call(connection, "GET", path)
        if status != 200:
            path = f"/api/v1/users?pageSize={size}" + (f"&pageToken={token}" if token else "")
            status, answer = system.call(connection, "GET", path)
        token = answer["nextPageToken"]
        left -= size
    return token


# -- export: everything, at constant memory


def export(system, options):
    system.reset_peaks()
    cpu = system.cpu()
    path = os.path.join(system.work, "exported.ndjson")
    print(indented(system.run_client("export", path)))
    peaks, spent = system.peaks(), system.cpu(since=cpu)
    lines = sum(1 for _ in open(path, "rb"))
    there = system.number("SELECT count(*) FROM users WHERE delete_time IS NULL")
    print(f"   CPU seconds: {spent}; peak RSS in MB: {peaks}")
    return all([
        verdict(f"every account is there ({lines} of {there})", lines == there),
        verdict(f"under {MEGABYTES} MB in gateway and user service",
                max(peaks["gateway"], peaks["user"]) < MEGABYTES),
    ])


def indented(text):
    return "\n".join(f"   | {line}" for line in text.strip().splitlines())


STEPS = {"resume": resume, "writers": writers, "import": import_all, "seed": seed, "reads": reads, "export": export}

if __name__ == "__main__":
    main()
