#!/usr/bin/env python3
"""Saves a system under way, restores it into a fresh server, and shows that everybody is there again.

  check.py PROGRAMS [--journeys JOURNEYS]     PROGRAMS: the folder of portico-gateway, portico-user and portico-auth

With JOURNEYS, the test program of the journeys, they run against the restored system too. Needs PostgreSQL's and Redis' programs
and curl. Everything listens on loopback and ends with the script.
"""

import argparse
import base64
import contextlib
import hmac
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "load" / "users"))
from system import ADMIN, System, free_ports  # noqa: E402

PASSWORD = "a passphrase of many words"
KEY = base64.b64encode(os.urandom(32)).decode()
ANOTHER_KEY = base64.b64encode(os.urandom(32)).decode()
NOWHERE = "postgres://portico@127.0.0.1:1/nowhere"


class Place(System):
    """A system whose databases are filled, before anything is migrated, from `backup`, if there is one."""

    def __init__(self, programs, backup=None):
        super().__init__(programs)
        self.backup, self.filled, self.redis = backup, False, None

    def program(self, name, *arguments, ops):
        if not self.filled:
            self.filled = True
            # What both systems have in common, as a real one would be called the same after a disaster.
            self.environment |= {
                "AUTH__MASTER_KEY": KEY,
                "AUTH__ISSUER": "https://api.example.com",
                "AUTH__MAIL_DIR": f"{self.work}/mail",
                "AUTH__GUESSES_PER_ADDRESS": "0",
                "AUTH__MAILS_PER_ADDRESS": "0",
                "GATEWAY__RATE_LIMITS": "credentials=none,tokens=none,public=none,refused=none",
            }
            [port] = free_ports(1)
            options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", self.work]
            self.redis = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
            self.environment["CACHE__REDIS_URL"] = f"redis://127.0.0.1:{port}"
            if self.backup:
                self.restore(self.backup)
        if name == "auth" and ops:
            self.auth_ops = ops
        return super().program(name, *arguments, ops=ops)

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        if self.redis:
            self.redis.terminate()
            self.redis.wait(10)

    @contextlib.contextmanager
    def auth_stopped(self):
        auth = self.children.pop("auth")
        auth.terminate()
        auth.wait(30)
        yield
        self.children["auth"] = self.program("auth", "serve", ops=self.auth_ops)
        until(lambda: self.login(*ADMIN)[0] == 200)

    def script(self, *arguments, key=KEY, **more):
        environment = {name: self.environment[name] for name in ("PATH", "USER__DATABASE_URL", "AUTH__DATABASE_URL")}
        environment["PATH"] = f"{self.bin}:{environment['PATH']}"
        environment |= {"AUTH__MASTER_KEY": key} | more
        ended = subprocess.run([str(HERE / "backup.sh"), *arguments], env=environment, capture_output=True, text=True)
        return ended.returncode, ended.stdout + ended.stderr

    def restore(self, backup):
        """Into the empty databases of this server; before that, what must be refused."""
        refused("another master key", self.script("restore", backup, key=ANOTHER_KEY), "master key is another")
        with tempfile.TemporaryDirectory() as folder:
            broken = shutil.copytree(backup, f"{folder}/broken")
            with open(f"{broken}/user.dump", "r+b") as file:
                file.seek(-100, os.SEEK_END)
                [byte] = file.read(1)
                file.seek(-100, os.SEEK_END)
                file.write(bytes([byte ^ 1]))
            refused("a backup that was changed", self.script("restore", broken), "not as it was saved")
        code, said = self.script("restore", backup, key=f"{ANOTHER_KEY},{KEY}")
        check("it is restored, also with the key behind another one", code == 0, said)
        refused("a database that is not empty", self.script("restore", backup), "is not empty")

    def post(self, path, body, token=None):
        previous, self.token = self.token, token
        try:
            return self.call(self.connect(), "POST", f"/api/v1{path}", body)
        finally:
            self.token = previous

    def get(self, path, token):
        previous, self.token = self.token, token
        try:
            return self.call(self.connect(), "GET", path)
        finally:
            self.token = previous

    def login(self, email, password=PASSWORD):
        return self.post("/auth/login", {"email": email, "password": password})

    def client_token(self, client):
        basic = base64.b64encode(f"{client['client']['id']}:{client['clientSecret']}".encode()).decode()
        headers = {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"}
        connection = self.connect()
        connection.request("POST", "/oauth2/token", "grant_type=client_credentials", headers)
        return connection.getresponse().status

    def mails(self, email):
        folder = pathlib.Path(self.work) / "mail"
        texts = [path.read_text() for path in sorted(folder.glob("*.eml"), key=os.path.getmtime)]
        return [text for text in texts if email in text]


failed = []


def check(what, holds, otherwise=""):
    print(f"  {'passes' if holds else 'FAILS '}  {what}", flush=True)
    if not holds:
        print(f"          {otherwise}")
        failed.append(what)


def refused(what, ended, why):
    code, said = ended
    check(f"{what} is refused", code != 0 and why in said, said)


def until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return held


def totp(secret, step=0):
    """RFC 6238, as every authenticator computes it."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30 + step), "sha1")
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def person(place, email):
    """Registers somebody, and gives the tokens of a first sign-in."""
    status, answer = place.post("/auth/register", {"email": email, "password": PASSWORD, "displayName": email.split("@")[0]})
    if status != 200:
        sys.exit(f"{email} cannot register: {status} {answer}")
    tokens = until(lambda: (place.login(email)[1] if place.login(email)[0] == 200 else None))
    return tokens or sys.exit(f"{email} cannot sign in")


def populate(place):
    """People, and one of each thing that is kept."""
    world = {"people": {email: person(place, email) for email in (f"person{n}@example.org" for n in range(5))}}
    first = world["people"]["person0@example.org"]["accessToken"]
    _, world["me"] = place.get("/api/v1/users/me", first)
    _, enrolled = place.post("/auth/mfa/totp:enroll", {}, first)
    world["totp"] = enrolled["secret"]
    status, answer = place.post("/auth/mfa/totp:confirm", {"code": totp(world["totp"])}, first)
    if status != 200:
        sys.exit(f"a factor cannot be confirmed: {status} {answer}")
    admin = place.token
    status, world["client"] = place.post("/oauth-clients", {"displayName": "backup", "scopes": ["users:read"]}, admin)
    status, world["key"] = place.post("/api-keys", {"displayName": "backup", "scopes": ["users:read"]}, admin)
    if "secret" not in world["key"]:
        sys.exit(f"no API key: {status} {world['key']}")
    _, world["keys"] = place.get("/.well-known/jwks.json", None)
    return world


def save_under_way(place, folder):
    """A backup while people register: the names of those who did before, meanwhile and after."""
    names, stop = [], threading.Event()

    def register():
        n = 0
        while not stop.is_set():
            email = f"meanwhile{n}@example.org"
            if place_post(email) == 200:
                names.append(email)
            n += 1

    def place_post(email):
        connection = place.connect()
        body = f'{{"email": "{email}", "password": "{PASSWORD}"}}'
        connection.request("POST", "/api/v1/auth/register", body, {"content-type": "application/json"})
        return connection.getresponse().status

    writer = threading.Thread(target=register)
    writer.start()
    until(lambda: len(names) > 3)
    code, said = place.script("save", folder)
    stop.set()
    writer.join()
    check("a system under way is saved", code == 0, said)
    return said.strip().splitlines()[-1], names


def everybody_is_there(place, world):
    for email, tokens in world["people"].items():
        if email == "person0@example.org":
            continue
        check(f"{email} signs in", place.login(email)[0] == 200)
    tokens = world["people"]["person1@example.org"]
    check("a token from before opens its account", place.get("/api/v1/users/me", tokens["accessToken"])[0] == 200)
    check("a session from before goes on", place.post("/auth/refresh", {"refreshToken": tokens["refreshToken"]})[0] == 200)
    _, keys = place.get("/.well-known/jwks.json", None)
    check("the signing keys are the same", sorted(k["kid"] for k in keys["keys"]) == sorted(k["kid"] for k in world["keys"]["keys"]))
    _, answer = place.login("person0@example.org")
    challenge = answer.get("challenge", {}).get("token", "")
    # The code of the next half minute, since that of this one may have been used before the backup.
    status, answer = place.post("/auth/login:verifyMfa", {"challengeToken": challenge, "code": totp(world["totp"], 1)})
    check("a second factor from before is asked for, and taken", status == 200 and "accessToken" in answer, answer)
    _, me = place.get("/api/v1/users/me", answer.get("accessToken", ""))
    check("the account is as it was", me == world["me"], f"{me} is not {world['me']}")
    check("a client from before gets a token", place.client_token(world["client"]) == 200)
    check("an API key from before is taken", place.get("/api/v1/users?pageSize=1", world["key"]["secret"])[0] == 200)


RESET = re.compile(r"reset-password#token=([A-Za-z0-9_-]+)")


def reset_link(place, email):
    """The token of the mail to somebody who forgot a password, who may have other mails as well. Nobody gets one before
    the auth service has heard of the account, and whoever gets none asks again."""
    for _ in range(4):
        place.post("/auth/password:forgot", {"email": email})
        if link := until(lambda: RESET.search("".join(place.mails(email))), 5):
            return link[1]
    return None


def those_in_between(place, names):
    """Whoever registered while the databases were saved, one after the other, signs in or can be helped."""
    _, admin = place.login(*ADMIN)
    whole = gone = 0
    half, unhelped = [], []
    for email in names:
        if place.login(email)[0] == 200:
            whole += 1
            continue
        _, found = place.get(f"/api/v1/users?filter=email%20%3D%20%22{email.replace('@', '%40')}%22", admin["accessToken"])
        if found.get("users"):
            half.append(email)
        else:
            gone += 1
    for email in half[:3]:
        token = reset_link(place, email)
        reset = token and place.post("/auth/password:reset", {"token": token, "newPassword": "another passphrase entirely"})
        status, answer = place.login(email, "another passphrase entirely")
        if status != 200:
            unhelped.append((email, place.mails(email), reset, answer))
    print(f"          of {len(names)} who registered meanwhile: {whole} whole, {len(half)} without a password, {gone} after the backup")
    check("who registered before the backup is whole", whole > 0)
    check("who is there without a password gets one by mail", not unhelped, unhelped)
    again = [email for email in names if email not in half and place.login(email)[0] != 200][:1]
    for email in again:
        check("who registered after the backup does so again", bool(person(place, email)))


def suspend(place, email):
    """Has the user service suspend somebody; whether the auth service comes to know within some seconds."""
    _, admin = place.login(*ADMIN)
    _, found = place.get(f"/api/v1/users?filter=email%20%3D%20%22{email.replace('@', '%40')}%22", admin["accessToken"])
    status, answer = place.post(f"/users/{found['users'][0]['id']}:suspend", {}, admin["accessToken"])
    if status != 200:
        sys.exit(f"{email} cannot be suspended: {status} {answer}")
    return until(lambda: place.login(email)[0] != 200, 8)


def auth_ahead_of_user(place):
    """Databases of different times, as two restores by a provider's means may leave them."""
    ahead = ["-d", "auth", "-c", "UPDATE feed_cursors SET sequence = sequence + 1000"]
    with place.auth_stopped():
        place.tool("psql", "-X", *ahead)
    check("an auth database from later is told so, and misses nothing", suspend(place, "person2@example.org"))
    with place.auth_stopped():
        place.tool("psql", "-X", *ahead)
        code, said = place.script("align")
        check("`align` finds that", code == 0 and "was ahead" in said, said)
    check("and what comes next is felt too", suspend(place, "person3@example.org"))
    refused("`align` of a database that does not answer", place.script("align", AUTH__DATABASE_URL=NOWHERE), "refused")
    code, said = place.script("align")
    check("`align` leaves alone what is well", code == 0 and "catch up" in said, said)


def journeys(place, program):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(ADMIN[1])
        file.flush()
        url = f"http://127.0.0.1:{place.rest}"
        environment = {"PATH": os.environ["PATH"], "GATEWAY": url, "ADMIN_EMAIL": ADMIN[0], "ADMIN_PASSWORD_FILE": file.name}
        script = HERE.parent / "helm" / "portico" / "files" / "journeys.sh"
        ended = subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True)
        check("the journeys of a release pass", ended.returncode == 0, ended.stderr)
    if program:
        environment = os.environ | {"RUST_BACKTRACE": "0", "E2E_URL": url, "E2E_ADMIN_EMAIL": ADMIN[0], "E2E_ADMIN_PASSWORD": ADMIN[1]}
        command = [program, "--exact", "a_running_system_passes"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        check("all journeys pass", ended.returncode == 0 and "1 passed" in ended.stdout, (ended.stdout + ended.stderr)[-3000:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs")
    parser.add_argument("--journeys")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="portico-backup-") as folder:
        with Place(options.programs) as place:
            world = populate(place)
            backup, names = save_under_way(place, folder)
            code, said = place.script("verify", backup)
            check("a backup is verified", code == 0, said)
            code, said = place.script("save", f"{folder}/keys", key=f"{ANOTHER_KEY}, {KEY}")
            both = said.strip().splitlines()[-1]
            check("keys that take over from one another are saved", code == 0, said)
            refused("the first of two keys alone", place.script("verify", both, key=ANOTHER_KEY), "lacks one")
            refused("the second of two keys alone", place.script("verify", both), "lacks one")
            check("both open it, in any order", place.script("verify", both, key=f"{KEY},{ANOTHER_KEY}")[0] == 0)
            refused("a backup of half of it", place.script("save", f"{folder}/half", USER__DATABASE_URL=NOWHERE), "refused")
            person(place, "late@example.org")
        leftovers = [path.name for path in pathlib.Path(folder).rglob("*.partial")]
        check("nothing half done is left", not leftovers, leftovers)
        modes = [oct(path.stat().st_mode & 0o077) for path in pathlib.Path(backup).iterdir()]
        check("nobody else may read it", set(modes) == {"0o0"}, modes)
        with Place(options.programs, backup) as place:
            everybody_is_there(place, world)
            those_in_between(place, names)
            check("who came after the backup is not there", place.login("late@example.org")[0] != 200)
            check("a new person registers", bool(person(place, "new@example.org")))
            check("a change of an account is felt at the next sign-in", suspend(place, "person4@example.org"))
            journeys(place, options.journeys)
            auth_ahead_of_user(place)
    print(f"{len(failed)} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
