"""A throwaway system: PostgreSQL, and the gateway, the user and the auth service before it."""

import base64, glob, http.client, json, os, random, re, secrets, shutil, signal, socket, subprocess, tempfile, time

ADMIN = ("root@example.org", secrets.token_urlsafe(18))


class System:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.children, self.token = {}, None

    def __enter__(self):
        self.work = tempfile.mkdtemp(prefix="portico-load-")
        os.chmod(self.work, 0o755)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in self.children.values():
            child.terminate()
        for child in self.children.values():
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
        self.as_postgres("pg_ctl", "-D", f"{self.work}/pg", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.work, ignore_errors=True)

    def start(self):
        versions = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
        self.bin = versions[-1] if versions else os.path.dirname(shutil.which("initdb"))
        (self.pg, self.rest, user, auth, *ops) = free_ports(7)
        if os.getuid() == 0:
            shutil.chown(self.work, "postgres")
        self.as_postgres("initdb", "-D", f"{self.work}/pg", "-A", "trust", "-U", "portico")
        settings = f"-p {self.pg} -c listen_addresses=127.0.0.1 -k {self.work} -c shared_buffers=512MB -c max_wal_size=4GB"
        self.as_postgres("pg_ctl", "-D", f"{self.work}/pg", "-w", "-l", f"{self.work}/pg.log", "-o", settings, "start")
        for name in ["users", "auth"]:
            self.tool("createdb", name)
        url = f"postgres://portico@127.0.0.1:{self.pg}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "RUST_LOG": "warn",
            # As the images set it.
            "MALLOC_ARENA_MAX": "2",
            "USER__DATABASE_URL": f"{url}/users",
            "AUTH__DATABASE_URL": f"{url}/auth",
            "AUTH__MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            "AUTH__BOOTSTRAP_ADMIN_EMAIL": ADMIN[0],
            "AUTH__BOOTSTRAP_ADMIN_PASSWORD": ADMIN[1],
            # Longer than any run.
            "AUTH__ACCESS_TOKEN_TTL_SECONDS": "86400",
            "GATEWAY__LISTEN": f"127.0.0.1:{self.rest}",
            "USER__LISTEN": f"127.0.0.1:{user}",
            "USER__URL": f"http://127.0.0.1:{user}",
            "AUTH__LISTEN": f"127.0.0.1:{auth}",
            "AUTH__URL": f"http://127.0.0.1:{auth}",
        }
        for name in ["user", "auth"]:
            self.program(name, "migrate", ops=0).wait()
        for name, port in zip(["user", "auth", "gateway"], ops):
            self.children[name] = self.program(name, "serve", ops=port)
        self.sign_in()

    def program(self, name, *arguments, ops):
        environment = {**self.environment, "OPS__LISTEN": f"127.0.0.1:{ops}"}
        log = open(f"{self.work}/{name}.log", "a")
        command = [f"{self.folder}/portico-{name}", *arguments]
        return subprocess.Popen(command, env=environment, cwd=self.work, stdout=log, stderr=log)

    def sign_in(self):
        body = {"email": ADMIN[0], "password": ADMIN[1]}
        for _ in range(300):
            try:
                status, answer = self.call(self.connect(), "POST", "/api/v1/auth/login", body)
                if status == 200:
                    self.token = answer["accessToken"]
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit("nobody can sign in:\n" + "".join(open(p).read()[-2000:] for p in glob.glob(f"{self.work}/*.log")))

    # -- the gateway

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.rest, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def headers(self):
        return {"authorization": f"Bearer {self.token}", "accept": "application/x-ndjson"} if self.token else {}

    def call(self, connection, method, path, body=None):
        headers = self.headers() | {"content-type": "application/json", "accept": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")

    def client(self, *arguments):
        """The command that sends a file up to an import, or writes an export down to one."""
        command = [f"{self.folder}/portico-user", *arguments, "--url", f"http://127.0.0.1:{self.rest}"]
        environment = {"PATH": os.environ["PATH"], "PORTICO_TOKEN": self.token}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run_client(self, *arguments):
        client = self.client(*arguments)
        said, _ = client.communicate()
        if client.returncode:
            raise SystemExit(f"{arguments[0]} ended with {client.returncode}:\n{said}")
        return said

    # -- the processes

    def reset_peaks(self):
        """Measures memory from now on, without what hashing the administrator's password took: that is kept for ten
        seconds."""
        time.sleep(12)
        for child in self.children.values():
            with open(f"/proc/{child.pid}/clear_refs", "w") as file:
                file.write("5")

    def peaks(self):
        """The largest RSS of each process since the last reset, in MB."""
        status = lambda child: open(f"/proc/{child.pid}/status").read()
        peak = lambda child: int(re.search(r"VmHWM:\s*(\d+)", status(child))[1])
        return {name: round(peak(child) / 1024, 1) for name, child in self.children.items()}

    def cpu(self, since=None):
        """The CPU seconds of each process."""
        tick = os.sysconf("SC_CLK_TCK")
        spent = {}
        for name, child in self.children.items():
            fields = open(f"/proc/{child.pid}/stat").read().rsplit(")", 1)[1].split()
            spent[name] = (int(fields[11]) + int(fields[12])) / tick
        return {name: round(value - (since or {}).get(name, 0), 1) for name, value in spent.items()}

    # -- PostgreSQL

    def tool(self, name, *arguments, check=True):
        command = [f"{self.bin}/{name}", "-h", "127.0.0.1", "-p", str(self.pg), "-U", "portico", *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout

    def psql(self, *arguments):
        return self.tool("psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", "users", *arguments)

    def rows(self, sql):
        return [line.split("|") for line in self.psql("-A", "-t", "-c", sql).splitlines()]

    def number(self, sql):
        return int(self.rows(sql)[0][0])

    def plans(self, paths):
        """The plan of the statement behind each path, as the service's own connection ran it."""
        self.psql("-c", "ALTER DATABASE users SET session_preload_libraries = 'auto_explain'")
        for setting in ["log_min_duration = 0", "log_analyze = on", "log_buffers = on", "log_timing = off"]:
            self.psql("-c", f"ALTER DATABASE users SET auto_explain.{setting}")
        others = "pid <> pg_backend_pid() AND datname = 'users'"
        self.psql("-c", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        connection = self.connect()
        plans = {}
        for name, path in paths.items():
            for _ in range(10):
                before = os.path.getsize(f"{self.work}/pg.log")
                status, _ = self.call(connection, "GET", path)
                time.sleep(0.2)
                with open(f"{self.work}/pg.log") as log:
                    log.seek(before)
                    plans[name] = plan_of_users(log.read())
                if status == 200 and plans[name]:
                    break
        self.psql("-c", "ALTER DATABASE users RESET ALL")
        return plans

    def as_postgres(self, name, *arguments, check=True):
        command = [f"{self.bin}/{name}", *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def plan_of_users(log):
    """The last plan in the log that reads the table of accounts, without the statement's text."""
    plans = re.findall(r"plan:\n(.*?)(?=\n\S|\Z)", log, re.S)
    chosen = [plan for plan in plans if re.search(r'FROM "?users', plan) and "purge_time\" <" not in plan]
    if not chosen:
        return []
    lines = [line.strip("\t") for line in chosen[-1].splitlines() if not line.strip().startswith("Query Text")]
    return [line[:160] for line in lines if line.strip()]


def free_ports(count):
    """Below those that the system gives to outgoing connections, which could take one in between."""
    held = []
    while len(held) < count:
        try:
            held.append(socket.create_server(("127.0.0.1", random.randrange(10000, 32768))))
        except OSError:
            pass
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports
