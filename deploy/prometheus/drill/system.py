"""Portico's processes and stores, as run.sh has started them, and what the drill does to them and with them."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import signal
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

REST = os.environ["REST"]
WORK = os.environ["WORK"]
PORT = {name.removesuffix("_PORT").lower(): int(value) for name, value in os.environ.items() if name.endswith("_PORT")}
PASSWORD = "a perfectly fine passphrase"

pids = {name: int(os.environ[f"PID_{name.upper()}"]) for name in ("gateway", "user", "auth", "redis")}
started = []


def call(method, path, body=None, token=None, timeout=15):
    """A request over REST: its status and what it answered, or 0 and nothing when there was no answer."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{REST}/{path}", data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {}
    except OSError:
        return 0, {}


def sign_in(email=os.environ["ADMIN_EMAIL"], password=os.environ["ADMIN_PASSWORD"]):
    status, answer = call("POST", "auth/login", {"email": email, "password": password})
    if status != 200:
        raise RuntimeError(f"{email} cannot sign in: {status} {answer}")
    return answer


def register(email):
    status, answer = call("POST", "auth/register", {"email": email, "password": PASSWORD})
    if status not in (200, 201):
        raise RuntimeError(f"cannot register {email}: {status} {answer}")


@contextlib.contextmanager
def load(work, threads=4, pause=0.05):
    """Does something again and again, in some threads, until the block ends."""
    stop = threading.Event()

    def run():
        while not stop.is_set():
            work()
            stop.wait(pause)

    workers = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        stop.set()
        for worker in workers:
            worker.join(20)


def kill(name):
    os.kill(pids[name], signal.SIGKILL)


def start(name):
    """Starts one of the processes again, as it was, and waits until it is ready."""
    log = open(f"{WORK}/{name}.log", "ab")
    if name == "redis":
        command = ["redis-server", "--port", str(PORT["redis"]), "--bind", "127.0.0.1", "--save", "", "--dir", WORK]
        address, environment = None, os.environ
    else:
        command = [f"{os.environ['PORTICO_BIN']}/portico-{name}", "serve"]
        address = f"127.0.0.1:{PORT['ops_' + name]}"
        environment = os.environ | {"OPS__LISTEN": address}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    started.append(process)
    pids[name] = process.pid
    for _ in range(300):
        if address is None or answers(f"http://{address}/ready"):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{name} does not become ready again")


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def postgres(verb):
    """Starts or stops the server of both databases."""
    command = [f"{os.environ['POSTGRES_BIN']}/pg_ctl", "-D", f"{WORK}/pg", "-w", "-l", f"{WORK}/pg.log", verb]
    if verb == "stop":
        command += ["-m", "immediate"]
    else:
        command += ["-o", f"-p {PORT['pg']} -c listen_addresses=127.0.0.1 -k {WORK}"]
    if os.getuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def psql(database, *statements):
    """Statements in one session, in the background."""
    command = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(PORT["pg"]), "-U", "portico", database]
    arguments = [part for statement in statements for part in ("-c", statement)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    started.append(process)
    return process


def sql(database, statement):
    """What a statement answers; what went wrong with it is an exception."""
    process = psql(database, statement)
    out, _ = process.communicate(timeout=30)
    if process.returncode:
        raise RuntimeError(out)
    return out.strip()


@contextlib.contextmanager
def session(database, *statements):
    """A session that does something and then stays as it is, until the block ends."""
    name = f"drill-{time.monotonic_ns()}"
    process = psql(database, f"SET application_name = '{name}'", *statements, "SELECT pg_sleep(600)")
    try:
        for _ in range(100):
            if process.poll() is not None:
                raise RuntimeError(process.communicate()[0])
            held = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}' AND query LIKE '%pg_sleep%'"
            if sql("postgres", held) == "1":
                break
            time.sleep(0.1)
        yield
    finally:
        sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'")
        process.wait(10)


def one_time_password(secret, at=None):
    """RFC 6238, with SHA-1 and 6 digits."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    counter = struct.pack(">Q", int(at or time.time()) // 30)
    digest = hmac.new(key, counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset:offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def end():
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
