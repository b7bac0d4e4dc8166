#!/usr/bin/env python3
"""Runs the journeys of the release before on every mix of its services and this one's.

  mixed.py PREVIOUS CURRENT      folders with portico-gateway, portico-user, portico-auth; PREVIOUS also with journeys

A release of one service meets the others as they were: so each is released alone, and each is taken back alone, on
the schema that stays. Whatever the release before promised its clients must hold in each of these mixes. At last all of
this release serve, are taken back together, and the release before goes on with the databases that they wrote.
Needs the programs of PostgreSQL and Redis. Everything listens on loopback and ends with the script.
"""

import base64, contextlib, json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time, urllib.request

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "load" / "users"))
from system import free_ports  # noqa: E402

SERVICES = ("user", "auth", "gateway")
DATABASES = ("user", "auth")
ADMIN = "root@example.org"


def main(previous, current):
    releases = {"previous": pathlib.Path(previous).resolve(), "current": pathlib.Path(current).resolve()}
    for release, folder in releases.items():
        for name in [f"portico-{service}" for service in SERVICES] + ["journeys"] * (release == "previous"):
            if not (folder / name).exists():
                sys.exit(f"{folder} holds no {name}: build it first")
    mixes = [(f"the new {one} beside the others of before", {one}) for one in SERVICES]
    mixes += [(f"the {one} of before beside the new others", set(SERVICES) - {one}) for one in SERVICES]
    failed = 0
    with Stores() as stores:
        for title, new in mixes:
            # The journeys of a release cannot be mended any more, and a slow machine has been seen to catch one of them
            # between two services that learn of a revocation one after the other. So one mix is tried twice at most.
            for attempt in ("first", "second"):
                began = time.monotonic()
                with System(stores, releases, new) as system:
                    passed, output = system.journeys()
                verdict = "passes" if passed else "FAILS "
                print(f"  {verdict}  {title} ({attempt} try, {time.monotonic() - began:.0f} s)", flush=True)
                if passed:
                    break
                print(output)
            failed += not passed
        failed += not rolled_back(stores, releases)
    print(f"{len(mixes) + 1 - failed} passed, {failed} failed")
    return failed != 0


def rolled_back(stores, releases):
    """Whether the release before goes on where this one was taken back: on its schema, with what it has written."""
    began, email = time.monotonic(), "somebody@example.org"
    with System(stores, releases, set(SERVICES)) as new:
        passed, output = new.journeys()
        person = {"email": email, "password": "a passphrase of many words"}
        new.ask("/api/v1/auth/register", person)
        new.wait("auth", new.request("/api/v1/auth/login", person))
        tokens = new.ask("/api/v1/auth/login", person)
    faults = [] if passed else [f"the journeys fail on this release alone\n{output}"]
    with System(stores, releases, set(), after=new) as old:
        # Told to, as `helm rollback` does, the release before leaves the newer schema alone.
        for service in DATABASES:
            old.run("previous", service, "migrate")
        try:
            old.ask("/api/v1/auth/login", person)
            if old.ask("/api/v1/users/me", token=tokens["accessToken"])["email"] != email:
                faults.append("a token opens somebody else's account")
            old.ask("/api/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})
        except OSError as error:
            faults.append(f"whoever came under the new release is lost: {error}\n{old.logs_of_all()}")
        passed, output = old.journeys()
        faults += [] if passed else [f"the journeys fail afterwards\n{output}"]
    verdict = "FAILS " if faults else "passes"
    print(f"  {verdict}  all of before, on the databases of the new ({time.monotonic() - began:.0f} s)", flush=True)
    print(*faults, sep="\n", end="\n" if faults else "")
    return not faults


class Stores:
    """A throwaway PostgreSQL and a throwaway Redis."""

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.work = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="portico-mixed-"))
        os.chmod(self.work, 0o755)
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self.bin = found[-1] if found else pathlib.Path(shutil.which("initdb")).parent
        self.postgres_port, self.redis_port = free_ports(2)
        self.count = 0
        if os.getuid() == 0:
            shutil.chown(self.work, "postgres")
        self.as_postgres("initdb", "-D", f"{self.work}/pg", "-A", "trust", "-U", "portico")
        options = f"-p {self.postgres_port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self.work}"
        self.as_postgres("pg_ctl", "-D", f"{self.work}/pg", "-w", "-l", f"{self.work}/pg.log", "-o", options, "start")
        self.stack.callback(self.as_postgres, "pg_ctl", "-D", f"{self.work}/pg", "-m", "immediate", "stop")
        redis = subprocess.Popen(
            ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", self.work],
            stdout=subprocess.DEVNULL,
        )
        self.stack.callback(end, redis)
        return self

    def __exit__(self, *_):
        self.stack.close()

    def database(self):
        """The URL of a new, empty database."""
        self.count += 1
        name = f"mix{self.count}"
        subprocess.run(
            [self.bin / "createdb", "-h", "127.0.0.1", "-p", str(self.postgres_port), "-U", "portico", name], check=True
        )
        return f"postgres://portico@127.0.0.1:{self.postgres_port}/{name}"

    def redis(self):
        """The URL of Redis, emptied."""
        subprocess.run(["redis-cli", "-p", str(self.redis_port), "flushall"], check=True, stdout=subprocess.DEVNULL)
        return f"redis://127.0.0.1:{self.redis_port}"

    def as_postgres(self, name, *arguments):
        command = [str(self.bin / name), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class System:
    """The three services, those named in `new` of this release and the others of the one before. With `after`, where that
    system was, and on its databases as they are."""

    def __init__(self, stores, releases, new, after=None):
        self.stores, self.releases, self.new, self.after = stores, releases, new, after

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.logs = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="portico-mix-"))
        try:
            self.start()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def start(self):
        if self.after:
            self.url, self.password, self.environment = self.after.url, self.after.password, self.after.environment
            self.ops = self.after.ops
        else:
            self.prepare()
        ops = self.ops
        for service, port in zip(SERVICES, ops):
            self.serve("current" if service in self.new else "previous", service, port)
        for service, port in zip(SERVICES, ops):
            self.wait(service, f"http://127.0.0.1:{port}/ready")
        self.wait("gateway", f"{self.url}/ready")
        # The first administrator is an account like others: it comes by way of the user service.
        self.wait("auth", self.request("/api/v1/auth/login", {"email": ADMIN, "password": self.password}))

    def request(self, path, body=None, token=None):
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        return urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None, headers)

    def ask(self, path, body=None, token=None):
        with urllib.request.urlopen(self.request(path, body, token), timeout=20) as answer:
            return json.loads(answer.read())

    def prepare(self):
        """Databases, migrated by those who will use them, and settings."""
        rest, user, auth, *self.ops = free_ports(3 + len(SERVICES))
        self.url = f"http://127.0.0.1:{rest}"
        self.password = base64.b64encode(os.urandom(18)).decode()
        # Settings that both releases know.
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": self.logs,
            "USER__DATABASE_URL": self.stores.database(),
            "AUTH__DATABASE_URL": self.stores.database(),
            "CACHE__REDIS_URL": self.stores.redis(),
            "AUTH__MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            "AUTH__BOOTSTRAP_ADMIN_EMAIL": ADMIN,
            "AUTH__BOOTSTRAP_ADMIN_PASSWORD": self.password,
            "AUTH__ISSUER": self.url,
            "GATEWAY__LISTEN": f"127.0.0.1:{rest}",
            "USER__LISTEN": f"127.0.0.1:{user}",
            "USER__URL": f"http://127.0.0.1:{user}",
            "AUTH__LISTEN": f"127.0.0.1:{auth}",
            "AUTH__URL": f"http://127.0.0.1:{auth}",
        }
        # A release alone leaves the schemas of the others as they are; one that is taken back leaves its own behind.
        taken_back = len(self.new) > 1
        for service in DATABASES:
            self.run("previous", service, "migrate")
            if taken_back or service in self.new:
                self.run("current", service, "migrate")

    def run(self, release, service, command):
        with open(f"{self.logs}/{service}.log", "a") as log:
            program = [self.releases[release] / f"portico-{service}", command]
            ended = subprocess.run(program, env=self.environment, cwd=self.logs, stdout=log, stderr=log, timeout=120)
        if ended.returncode:
            sys.exit(f"portico-{service} {command} of {release} fails:\n{self.log(service)}")

    def serve(self, release, service, port):
        environment = self.environment | {"OPS__LISTEN": f"127.0.0.1:{port}"}
        log = self.stack.enter_context(open(f"{self.logs}/{service}.log", "a"))
        program = [self.releases[release] / f"portico-{service}", "serve"]
        child = subprocess.Popen(program, env=environment, cwd=self.logs, stdout=log, stderr=log)
        self.stack.callback(end, child)

    def wait(self, service, request):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.2)
        sys.exit(f"{service} is not ready:\n{self.log(service)}")

    def journeys(self):
        """Whether the journeys pass, and what to read if they do not."""
        environment = os.environ | {"RUST_BACKTRACE": "0", "E2E_URL": self.url, "E2E_ADMIN_EMAIL": ADMIN, "E2E_ADMIN_PASSWORD": self.password}
        program = [self.releases["previous"] / "journeys", "--exact", "a_running_system_passes"]
        ended = subprocess.run(
            program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
        )
        passed = ended.returncode == 0 and "1 passed" in ended.stdout
        return passed, ended.stdout + self.logs_of_all()

    def logs_of_all(self):
        return "".join(f"\n-- {service}\n{self.log(service)}" for service in SERVICES)

    def log(self, service):
        return pathlib.Path(f"{self.logs}/{service}.log").read_text()[-3000:]


def end(child):
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    # Whoever ends this ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(*sys.argv[1:]))
