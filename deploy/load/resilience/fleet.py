"""A throwaway fleet on loopback: PostgreSQL, and any number of gateways, user and auth services before it."""

import base64, contextlib, glob, http.client, json, os, random, re, secrets, shutil, signal, socket, subprocess, tempfile, time

ADMIN = ("root@example.org", secrets.token_urlsafe(18))


class Member:
    """One process of the fleet, which can be stopped and started again on the same ports."""

    def __init__(self, fleet, name, number, port, ops):
        self.fleet, self.name, self.number, self.port, self.ops = fleet, name, number, port, ops
        self.process = None

    def start(self, **more):
        mine = {f"{self.name.upper()}__LISTEN": f"127.0.0.1:{self.port}", "OPS__LISTEN": f"127.0.0.1:{self.ops}"}
        log = open(f"{self.fleet.work}/{self.name}-{self.number}.log", "a")
        command = [f"{self.fleet.folder}/portico-{self.name}", "serve"]
        environment = {**self.fleet.environment, **mine, **more}
        self.process = subprocess.Popen(command, env=environment, cwd=self.fleet.work, stdout=log, stderr=log)

    def is_ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.ops, timeout=1)
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def until_ready(self, seconds=60):
        self.fleet.until(self.is_ready, seconds, f"{self.name} {self.number} is not ready")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=30):
        """As an orchestrator does: SIGTERM, and a wait."""
        self.process.terminate()
        self.process.wait(seconds)

    def cpu(self):
        """The CPU seconds that it has used."""
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """The largest RSS that it had, in MB."""
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024


class Fleet:
    def __init__(self, folder, gateways=1, users=1, auths=1, tls=None, **environment):
        self.tls = tls
        self.folder = os.path.abspath(folder)
        self.counts = {"user": users, "auth": auths, "gateway": gateways}
        self.more, self.members, self.token = environment, {}, None

    def __enter__(self):
        self.work = tempfile.mkdtemp(prefix="portico-resilience-")
        os.chmod(self.work, 0o755)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        processes = [member.process for member in self.all() if member.process and member.process.poll() is None]
        for process in processes:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        self.as_postgres("pg_ctl", "-D", f"{self.work}/pg", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.work, ignore_errors=True)

    def all(self):
        return [member for members in self.members.values() for member in members]

    def __getattr__(self, name):
        """`fleet.users`, `fleet.auths`, `fleet.gateways`."""
        try:
            return self.__dict__["members"][name.removesuffix("s")]
        except KeyError:
            raise AttributeError(name) from None

    def start(self):
        versions = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
        self.bin = versions[-1] if versions else os.path.dirname(shutil.which("initdb"))
        ports = free_ports(1 + 2 * sum(self.counts.values()))
        self.pg = ports.pop()
        if os.getuid() == 0:
            shutil.chown(self.work, "postgres")
        self.as_postgres("initdb", "-D", f"{self.work}/pg", "-A", "trust", "-U", "portico")
        settings = f"-p {self.pg} -c listen_addresses=127.0.0.1 -k {self.work} -c max_connections=200"
        self.as_postgres("pg_ctl", "-D", f"{self.work}/pg", "-w", "-l", f"{self.work}/pg.log", "-o", settings, "start")
        for name in ["users", "auth"]:
            self.tool("createdb", name)
        for name, count in self.counts.items():
            members = [Member(self, name, n, ports.pop(), ports.pop()) for n in range(count)]
            self.members[name] = members
        database = f"postgres://portico@127.0.0.1:{self.pg}"
        scheme = "https" if "TLS__CA_FILE" in self.more else "http"
        urls = lambda members: "|".join(f"{scheme}://127.0.0.1:{member.port}" for member in members)
        self.environment = {
            "PATH": os.environ["PATH"],
            "RUST_LOG": os.environ.get("RUST_LOG", "warn"),
            "USER__DATABASE_URL": f"{database}/users",
            "AUTH__DATABASE_URL": f"{database}/auth",
            "AUTH__MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            "AUTH__BOOTSTRAP_ADMIN_EMAIL": ADMIN[0],
            "AUTH__BOOTSTRAP_ADMIN_PASSWORD": ADMIN[1],
            # Longer than any run.
            "AUTH__ACCESS_TOKEN_TTL_SECONDS": "86400",
            "USER__URL": urls(self.users),
            "AUTH__URL": urls(self.auths),
            **self.more,
        }
        for name in ["user", "auth"]:
            command = [f"{self.folder}/portico-{name}", "migrate"]
            subprocess.run(command, env=self.environment, cwd=self.work, check=True, capture_output=True)
        for member in self.all():
            member.start()
        for member in self.all():
            member.until_ready()
        self.sign_in()

    def until(self, is_so, seconds, otherwise):
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                logs = "".join(open(p).read()[-2000:] for p in glob.glob(f"{self.work}/*.log"))
                raise SystemExit(f"{otherwise} after {seconds} s\n{logs}")
            time.sleep(0.05)

    # -- the first gateway

    def connection(self, timeout=30):
        port = self.gateways[0].port
        if self.tls:
            connection = http.client.HTTPSConnection("localhost", port, timeout=timeout, context=self.tls)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def call(self, method, path, body=None, connection=None):
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        with contextlib.closing(connection or self.connection()) as connection:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")

    def sign_in(self):
        body = {"email": ADMIN[0], "password": ADMIN[1]}

        def signed_in():
            try:
                status, answer = self.call("POST", "/api/v1/auth/login", body)
            except OSError:
                return False
            self.token = answer.get("accessToken")
            return status == 200

        self.until(signed_in, 60, "nobody can sign in")

    def make_users(self, count):
        """So many accounts, and their ids."""
        ids = []
        for n in range(count):
            body = {"email": f"person{n}@example.org", "displayName": f"Person {n}", "locale": "en"}
            status, answer = self.call("POST", "/api/v1/users", body)
            if status not in (200, 201):
                raise SystemExit(f"no account: {status} {answer}")
            ids.append(answer["id"])
        return ids

    # -- PostgreSQL

    def tool(self, name, *arguments):
        command = [f"{self.bin}/{name}", "-h", "127.0.0.1", "-p", str(self.pg), "-U", "portico", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def rows(self, sql, database="users"):
        said = self.tool("psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", database, "-A", "-t", "-c", sql)
        return [line.split("|") for line in said.splitlines()]

    def psql(self, database="users"):
        """A session that is written to."""
        command = [f"{self.bin}/psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(self.pg), "-U", "portico", "-d", database]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def as_postgres(self, name, *arguments, check=True):
        command = [f"{self.bin}/{name}", *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def free_ports(count):
    """Below those that the system gives to outgoing connections, which could take one in between."""
    held = []
    while len(held) < count:
        with contextlib.suppress(OSError):
            held.append(socket.create_server(("127.0.0.1", random.randrange(10000, 32768))))
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def verdict(promise, holds):
    print(f"   {'ok    ' if holds else 'FAILED'} {promise}", flush=True)
    return holds
