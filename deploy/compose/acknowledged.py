#!/usr/bin/env python3
"""Writes to a running Portico while parts of it die, and then asks for everything that was acknowledged.

  acknowledged.py write URL JOURNAL SECONDS     writes for so long; a line of JSON for each acknowledgement
  acknowledged.py verify URL JOURNAL            asks for all of it; fails and names what is gone

ADMIN_EMAIL and ADMIN_PASSWORD name an administrator. What is refused or unanswered in between is no loss: only what
was answered with success counts. Each wait is bounded.
"""

import http.client, json, os, secrets, sys, time, urllib.parse

PASSWORD = "a perfectly fine passphrase"
# What one asks of a system of which a part is being restarted.
PATIENCE = 120


def main(command, url, journal, *seconds):
    api = Api(url)
    if command == "write":
        write(api, journal, float(seconds[0]))
    elif command == "verify":
        verify(api, journal)
    else:
        sys.exit(__doc__)


def write(api, journal, seconds):
    """Accounts made by an administrator and changed, people who registered, and sessions that were ended."""
    until = time.monotonic() + seconds
    counts = dict.fromkeys(["account", "name", "person", "ended"], 0)
    refused = 0
    with open(journal, "a", buffering=1) as file:

        def acknowledged(kind, **what):
            file.write(json.dumps({"kind": kind, **what}) + "\n")
            counts[kind] += 1

        turn = 0
        while time.monotonic() < until:
            turn += 1
            email = f"{secrets.token_hex(8)}@example.org"
            status, answer = api.as_admin("POST", "/api/v1/users", {"email": email})
            if status in (200, 201):
                acknowledged("account", id=answer["id"], email=email)
                name = f"Name {secrets.token_hex(4)}"
                if api.as_admin("PATCH", f"/api/v1/users/{answer['id']}", {"displayName": name})[0] == 200:
                    acknowledged("name", id=answer["id"], name=name)
            else:
                refused += 1
            if turn % 20 == 1:
                register(api, acknowledged)
            time.sleep(0.02)
    print(f"    acknowledged: {', '.join(f'{count} {kind}' for kind, count in counts.items())}; {refused} refused")
    if not counts["account"]:
        sys.exit("nothing was acknowledged at all")


def register(api, acknowledged):
    email = f"{secrets.token_hex(8)}@example.org"
    credentials = {"email": email, "password": PASSWORD}
    status, _ = api.call("POST", "/api/v1/auth/register", credentials)
    if status not in (200, 201, 202):
        return
    acknowledged("person", email=email)
    status, tokens = api.call("POST", "/api/v1/auth/login", credentials)
    if status == 200 and "accessToken" in tokens:
        token = tokens["accessToken"]
        if api.call("POST", "/api/v1/auth/logout", {}, token)[0] in (200, 204):
            acknowledged("ended", token=token, at=time.time())


def verify(api, journal):
    entries = [json.loads(line) for line in open(journal)]
    of = lambda kind: [entry for entry in entries if entry["kind"] == kind]
    accounts, lost = {}, []
    page = ""
    while True:
        query = urllib.parse.urlencode({"pageSize": 500, "pageToken": page})
        status, answer = api.patiently(lambda: api.as_admin("GET", f"/api/v1/users?{query}"), 200)
        if status != 200:
            sys.exit(f"accounts cannot be listed: {status} {answer}")
        accounts |= {user["email"]: user for user in answer.get("users", [])}
        page = answer.get("nextPageToken", "")
        if not page:
            break

    lost += [entry for entry in of("account") if accounts.get(entry["email"], {}).get("id") != entry["id"]]
    names = {user["id"]: user.get("displayName", "") for user in accounts.values()}
    lost += [entry for entry in of("name") if names.get(entry["id"]) != entry["name"]]
    for person in of("person"):
        sign_in = lambda: api.call("POST", "/api/v1/auth/login", {"email": person["email"], "password": PASSWORD})
        if person["email"] not in accounts or api.patiently(sign_in, 200)[0] != 200:
            lost.append(person)
    # An access token lives for ten minutes, and is refused by its age after that.
    for ended in of("ended"):
        status, _ = api.call("GET", "/api/v1/users/me", token=ended["token"])
        if status != 401:
            lost.append({"kind": "ended", "status": status, "age": time.time() - ended["at"]})
    for entry in lost:
        print(f"    LOST: {entry}")
    print(f"    {len(entries)} acknowledged, {len(lost)} lost")
    if lost or not entries:
        sys.exit(1)


class Api:
    def __init__(self, url):
        self.address = urllib.parse.urlparse(url).netloc
        self.token = None

    def call(self, method, path, body=None, token=None):
        """The status and the answer; 0 when there is none."""
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection(self.address, timeout=15)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 429:
                time.sleep(min(float(answer.getheader("retry-after") or 1), 20))
            return answer.status, json.loads(text) if text else {}
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}
        finally:
            connection.close()

    def as_admin(self, method, path, body=None):
        if not self.token:
            credentials = {"email": os.environ["ADMIN_EMAIL"], "password": os.environ["ADMIN_PASSWORD"]}
            status, tokens = self.patiently(lambda: self.call("POST", "/api/v1/auth/login", credentials), 200)
            if status != 200:
                sys.exit(f"the administrator cannot sign in: {status} {tokens}")
            self.token = tokens["accessToken"]
        status, answer = self.call(method, path, body, self.token)
        if status == 401:
            self.token = None
        return status, answer

    def patiently(self, ask, wanted):
        deadline = time.monotonic() + PATIENCE
        while True:
            status, answer = ask()
            if status == wanted or time.monotonic() > deadline:
                return status, answer
            time.sleep(0.5)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
