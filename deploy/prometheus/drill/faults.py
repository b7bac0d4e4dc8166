"""The faults. Each is a context: entering it begins the fault, leaving it ends it. FAULTS says which alerts it fires."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import stand_ins
import system
from system import PORT, call, load, register, session, sign_in, sql

numbers = itertools.count(1)


@dataclass
class Fault:
    what: str
    run: object
    # The alerts that it fires, with labels by which each is known.
    alerts: dict
    # How long each may take, in seconds.
    within: int = 60
    # Those that end some time after the fault, by the length of their windows.
    lingering: set = field(default_factory=set)


class World:
    """What the faults share: Prometheus, those around Portico, and somebody who is signed in."""

    def __init__(self, prometheus, jobs):
        self.prometheus, self.jobs = prometheus, jobs
        self.collector = stand_ins.Collector(PORT["otlp"], PORT["collector"])
        self.ghosts = stand_ins.Ghosts(PORT["ghosts"], "good")
        self.mail = stand_ins.MailServer(PORT["smtp"])

    def become(self, kind):
        self.ghosts.stop()
        self.ghosts = stand_ins.Ghosts(PORT["ghosts"], kind)


def fresh(name):
    return f"{name}-{next(numbers)}-{int(time.time())}@example.org"


def ask(token):
    """Something that needs gateway, user service and its database."""
    call("GET", "users?pageSize=1", token=token)


@contextlib.contextmanager
def user_killed(world):
    token = sign_in()["accessToken"]
    with load(lambda: ask(token)):
        system.kill("user")
        yield
    system.start("user")


@contextlib.contextmanager
def user_restarts(world):
    token = sign_in()["accessToken"]
    stop = threading.Event()

    def restart():
        while not stop.is_set():
            system.kill("user")
            time.sleep(0.5)
            system.start("user")
            stop.wait(3)

    restarting = threading.Thread(target=restart)
    with load(lambda: ask(token), threads=16, pause=0.01):
        restarting.start()
        yield
        stop.set()
        restarting.join(60)


@contextlib.contextmanager
def user_unknown(world):
    with world.jobs.without("portico-user"):
        yield


@contextlib.contextmanager
def database_stopped(world):
    system.postgres("stop")
    yield
    system.postgres("start")


@contextlib.contextmanager
def table_gone(world):
    token = sign_in()["accessToken"]
    sql("users", "ALTER TABLE users RENAME TO users_gone")
    with load(lambda: ask(token)):
        yield
    sql("users", "ALTER TABLE users_gone RENAME TO users")


@contextlib.contextmanager
def users_locked(world):
    token = sign_in()["accessToken"]
    with session("users", "BEGIN", "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"), load(lambda: ask(token), threads=24):
        yield


@contextlib.contextmanager
def redis_killed(world):
    token = sign_in()["accessToken"]
    with load(lambda: ask(token)):
        system.kill("redis")
        yield
    system.start("redis")


@contextlib.contextmanager
def outbox_held_up(world):
    # A number is drawn and its transaction stays open; what comes after it waits.
    draw = "SELECT nextval(pg_get_serial_sequence('outbox', 'sequence')), pg_current_xact_id()"
    with session("users", "BEGIN", draw):
        register(fresh("held-up"))
        yield


@contextlib.contextmanager
def files_lowered(world):
    pid = system.pids["gateway"]
    before = subprocess.check_output(["prlimit", f"--pid={pid}", "--nofile", "-o", "SOFT,HARD", "--noheadings"], text=True)
    opened = len(os.listdir(f"/proc/{pid}/fd"))
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={int(opened * 1.1)}:"], check=True)
    yield
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={before.split()[0]}:"], check=True)


@contextlib.contextmanager
def edge_flooded(world):
    flood = subprocess.Popen(
        ["wrk", "-t1", "-c64", "-d90s", system.REST.removesuffix("/api/v1") + "/health"], stdout=subprocess.DEVNULL
    )
    system.started.append(flood)
    yield
    flood.terminate()
    flood.wait(10)


@contextlib.contextmanager
def contract_broken(world):
    world.become("broken")
    yield
    world.become("good")


@contextlib.contextmanager
def route_taken(world):
    world.become("taken")
    yield
    world.become("good")


@contextlib.contextmanager
def streams_opened(world):
    token = sign_in()["accessToken"]
    lines = f"GET /api/v1/users:watch HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n".encode()
    sockets = []
    try:
        for _ in range(900):
            connection = socket.create_connection(("127.0.0.1", PORT["rest"]))
            connection.sendall(lines)
            sockets.append(connection)
        yield
    finally:
        for connection in sockets:
            connection.close()


@contextlib.contextmanager
def passwords_guessed(world):
    def guess():
        call("POST", "auth/login", {"email": fresh("nobody"), "password": "not the right password"})

    with load(guess, threads=3, pause=0):
        yield


@contextlib.contextmanager
def hashing_flooded(world):
    def guess():
        call("POST", "auth/login", {"email": fresh("nobody"), "password": "not the right password"})

    with load(guess, threads=24, pause=0):
        yield


@contextlib.contextmanager
def token_reused(world):
    first = sign_in()["refreshToken"]
    for _ in range(2):
        call("POST", "auth/refresh", {"refreshToken": first})
        time.sleep(2.5)
    yield


@contextlib.contextmanager
def factors_guessed(world):
    email = fresh("factor")
    register(email)
    token = sign_in(email, system.PASSWORD)["accessToken"]
    _, made = call("POST", "auth/mfa/totp:enroll", {}, token)
    call("POST", "auth/mfa/totp:confirm", {"code": system.one_time_password(made["secret"])}, token)
    for _ in range(12):
        challenge = sign_in(email, system.PASSWORD)["challenge"]["token"]
        for _ in range(5):
            call("POST", "auth/login:verifyMfa", {"challengeToken": challenge, "code": "000000"})
    yield


@contextlib.contextmanager
def tokens_forged(world):
    header, claims, signature = sign_in()["accessToken"].split(".")
    forged = (f"{header}.{claims}.{at:04}{signature[4:]}" for at in itertools.count())
    with load(lambda: call("GET", "users/me", token=next(forged)), threads=1, pause=0.02):
        yield


@contextlib.contextmanager
def client_refused(world):
    oauth = system.REST.removesuffix("/api/v1") + "/oauth2/token"
    form = "grant_type=client_credentials&client_id=01890000-0000-7000-8000-000000000000&client_secret=ptc_wrong"
    command = ["curl", "-sS", "-o", "/dev/null", "-d", form, oauth]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(150):
            pool.submit(subprocess.run, command, check=False)
    yield


@contextlib.contextmanager
def rotation_blocked(world):
    # The next key is gone, and nobody can write another one.
    take = "DELETE FROM signing_keys WHERE activate_time > now()"
    lock = "LOCK TABLE signing_keys IN EXCLUSIVE MODE"
    with session("auth", "BEGIN", lock, take, "COMMIT AND CHAIN", lock):
        yield


def forget_password():
    call("POST", "auth/password:forgot", {"email": os.environ["ADMIN_EMAIL"]})


@contextlib.contextmanager
def mail_server_away(world):
    world.mail.stop()
    forget_password()
    yield
    world.mail = stand_ins.MailServer(PORT["smtp"])


@contextlib.contextmanager
def mails_refused(world):
    world.mail.stop()
    world.mail = stand_ins.MailServer(PORT["smtp"], takes=False)
    forget_password()
    yield
    world.mail.stop()
    world.mail = stand_ins.MailServer(PORT["smtp"])


@contextlib.contextmanager
def collector_stopped(world):
    token = sign_in()["accessToken"]
    with load(lambda: ask(token)):
        world.collector.stop()
        yield
        world.collector = stand_ins.Collector(PORT["otlp"], PORT["collector"])


def certificate(days):
    subprocess.run([os.path.join(os.path.dirname(__file__), "certificate.sh"), str(days)], check=True)


@contextlib.contextmanager
def certificate_broken(world):
    path = os.environ["TLS__CERT_FILE"]
    with open(path) as file:
        good = file.read()
    with open(path, "w") as file:
        file.write(good[:200])
    yield
    with open(path, "w") as file:
        file.write(good)


@contextlib.contextmanager
def certificate_short(world):
    certificate(3)
    yield
    certificate(90)


@contextlib.contextmanager
def user_hangs(world):
    token = sign_in()["accessToken"]
    stop = threading.Event()

    def hang():
        # Again and again: what hangs for long is a process that is down.
        while not stop.is_set():
            os.kill(system.pids["user"], signal.SIGSTOP)
            stop.wait(4)
            os.kill(system.pids["user"], signal.SIGCONT)
            stop.wait(1)

    hanging = threading.Thread(target=hang)
    with load(lambda: ask(token), threads=60, pause=0.01):
        hanging.start()
        yield
        stop.set()
        hanging.join(10)


USER, GATEWAY, AUTH = ({"job": f"portico-{name}"} for name in ("user", "gateway", "auth"))
BURNT = {"PorticoBudgetBurnsFast", "PorticoBudgetBurnsSlowly"}
FAULTS = [
    Fault("the collector stops", collector_stopped,
          {"PorticoCollectorAway": {}, "PorticoSpansDropped": {"reason": "export_failed"}}),
    Fault("Redis is killed", redis_killed, {"PorticoRedisAway": GATEWAY}),
    Fault("tokens with another signature", tokens_forged, {"PorticoForgedTokens": GATEWAY}),
    Fault("a client without its secret asks 150 times", client_refused, {"PorticoClientRefusals": {}}),
    Fault("a used refresh token comes back", token_reused, {"PorticoRefreshTokenReused": {}}),
    Fault("60 wrong codes for one account", factors_guessed, {"PorticoSecondFactorFailures": {}}),
    Fault("passwords are guessed", passwords_guessed, {"PorticoSignInFailures": {}}),
    Fault("24 sign-ins at once for one thread and four places", hashing_flooded,
          {"PorticoHashingQueueFull": {}}, lingering=BURNT),
    Fault("the next signing key is deleted and its table locked", rotation_blocked,
          {"PorticoSigningKeyMissing": {"state": "next"}, "PorticoSigningKeyOld": {}}, within=120),
    Fault("nothing listens where mails go", mail_server_away, {"PorticoMailsStuck": {}}, within=90),
    Fault("the mail server refuses for good", mails_refused, {"PorticoMailsLost": {"outcome": "given_up"}}, within=120),
    Fault("an upstream's message is declared nowhere", contract_broken, {"PorticoContractInvalid": {"upstream": "ghosts"}}),
    Fault("an upstream claims a route of Portico's", route_taken, {"PorticoRoutesRefused": {"upstream": "ghosts"}}),
    Fault("a certificate is cut off", certificate_broken, {"PorticoCertificateRefused": USER}),
    Fault("a certificate is good for three days", certificate_short, {"PorticoCertificateExpires": USER}, within=120),
    Fault("the user service hangs for seconds, under load", user_hangs,
          {"PorticoEndpointsLeftAlone": {}, "PorticoRequestsShed": {"upstream": "user"}}, within=90, lingering=BURNT),
    Fault("900 streams for one worker", streams_opened, {"PorticoStreamsNearlyUsedUp": {}}, within=90),
    Fault("the gateway's limit of files is lowered", files_lowered, {"PorticoFilesNearlyUsedUp": GATEWAY}),
    Fault("64 connections ask the edge as fast as they can", edge_flooded, {"PorticoThreadsBusy": {"runtime": "gateway"}},
          within=80),
    Fault("a session of the database locks the table of users", users_locked,
          {"PorticoPoolExhausted": {"database": "user"}, "PorticoPoolTimeouts": USER}),
    Fault("a table is gone", table_gone, {"PorticoStatementsFail": USER, "PorticoErrorsLogged": USER},
          lingering={"PorticoErrorsLogged"} | BURNT),
    Fault("the databases stop", database_stopped, {"PorticoNotReady": {"check": "database"}}),
    Fault("Prometheus no longer knows the user service", user_unknown, {"PorticoProcessMissing": USER}),
    Fault("the user service is killed again and again", user_restarts,
          {"PorticoRestarts": USER, "PorticoUpstreamCallsRepeated": GATEWAY}, within=90,
          lingering={"PorticoRestarts"} | BURNT),
    Fault("the user service is killed", user_killed,
          {"PorticoProcessDown": USER, "PorticoUpstreamUnreachable": {"upstream": "user"}, "PorticoFeedDisconnected": {},
           "PorticoBudgetBurnsFast": {"slo": "edge-availability"}, "PorticoBudgetBurnsSlowly": {"slo": "edge-availability"}},
          within=120, lingering=BURNT),
    Fault("a transaction stays open with an event", outbox_held_up, {"PorticoFeedBehind": {}}, within=280),
]
