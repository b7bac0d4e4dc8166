#!/usr/bin/env python3
"""Mutual TLS between the processes and TLS at the edge: who has no certificate is refused, and replaced certificates are
served within five seconds, without a dropped connection. See README.md."""

import argparse, contextlib, hashlib, os, socket, ssl, subprocess, sys, tempfile, time

sys.dont_write_bytecode = True

from fleet import Fleet, verdict

# The preface of HTTP/2 and an empty SETTINGS frame.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bin", default="target/release", help="where the built programs are")
    options = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="portico-pki-") as folder:
        pki = Pki(folder)
        inside, edge = pki.issue("inside"), pki.issue("edge")
        tls = ssl.create_default_context(cafile=pki.ca)
        environment = {
            "TLS__CA_FILE": pki.ca, "TLS__CERT_FILE": inside[0], "TLS__KEY_FILE": inside[1],
            "GATEWAY__TLS_CERT_FILE": edge[0], "GATEWAY__TLS_KEY_FILE": edge[1],
        }
        with Fleet(options.bin, tls=tls, **environment) as fleet:
            holds = list(run(fleet, pki, inside, edge))
    sys.exit(0 if all(holds) else "FAILED")


def run(fleet, pki, inside, edge):
    [user] = fleet.make_users(1)
    yield verdict("the edge serves over TLS, and calls go through both services with mutual TLS", True)
    service, gateway = fleet.users[0].port, fleet.gateways[0].port
    yield verdict("a user service refuses who shows no certificate", not speaks(pki.client(), service))
    stranger = Pki(tempfile.mkdtemp(dir=fleet.work)).issue("stranger")
    yield verdict("and one that somebody else signed", not speaks(pki.client(stranger), service))
    yield verdict("and takes one that the CA signed", speaks(pki.client(inside), service))
    yield verdict("and no plain HTTP/2", not speaks(None, service))
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        yield verdict(f"the edge speaks {version.name}", shown(pki.client(), gateway, version) is not None)
    yield verdict("the edge does not speak TLSv1_1", shown(pki.client(), gateway, ssl.TLSVersion.TLSv1_1) is None)
    http2 = pki.client()
    http2.set_alpn_protocols(["h2", "http/1.1"])
    with handshake(http2, gateway) as stream:
        yield verdict("the edge settles on HTTP/2 by ALPN", stream.selected_alpn_protocol() == "h2")

    yield verdict("`portico-user export` reads through it with --ca-file", exports(fleet, gateway, pki.ca))
    yield verdict("and, without, trusts nobody whom the machine does not know", not exports(fleet, gateway))

    # Kept open all the while, and asked again and again.
    connections = [fleet.connection() for _ in range(16)]
    answers = []
    before = {port: shown(pki.client(inside), port) for port in (service, gateway)}
    pki.issue("inside")
    pki.issue("edge")
    replaced, seen = time.monotonic(), {}
    while len(seen) < 2 and time.monotonic() - replaced < 15:
        for port in (service, gateway):
            if port not in seen and shown(pki.client(inside), port) != before[port]:
                seen[port] = time.monotonic() - replaced
        answers += ask(fleet, connections, user)
    answers += ask(fleet, connections, user)
    for port, name in [(service, "user service"), (gateway, "edge")]:
        took = seen.get(port, 99)
        yield verdict(f"the {name} shows its new certificate after {took:.1f} s (at most 5)", took <= 5)
    good = answers.count(200)
    yield verdict(f"{good} of {len(answers)} requests on {len(connections)} open connections were answered", good == len(answers))
    status, _ = fleet.call("GET", f"/api/v1/users/{user}")
    yield verdict("a new connection is served", status == 200)


def exports(fleet, port, ca=None):
    """Whether the command, whose answer is a line for each account, succeeds."""
    command = [f"{fleet.folder}/portico-user", "export", "--url", f"https://localhost:{port}"]
    authority = ["--ca-file", ca] if ca else []
    environment = {"PATH": os.environ["PATH"], "PORTICO_TOKEN": fleet.token}
    try:
        done = subprocess.run([*command, *authority], env=environment, capture_output=True, timeout=10)
    except subprocess.TimeoutExpired:
        # It goes on trying.
        return False
    return done.returncode == 0 and done.stdout.count(b"\n") > 0


def ask(fleet, connections, user):
    statuses = []
    for connection in connections:
        # Nothing is connected again behind our back.
        connection.auto_open = False
        try:
            connection.request("GET", f"/api/v1/users/{user}", headers={"authorization": f"Bearer {fleet.token}"})
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        except Exception as error:
            statuses.append(repr(error))
    return statuses


def handshake(tls, port):
    return tls.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=5), server_hostname="localhost")


def speaks(tls, port):
    """Whether a service answers the preface. In TLS 1.3, a refusal comes after the handshake."""
    try:
        if tls is None:
            stream = socket.create_connection(("127.0.0.1", port), timeout=5)
        else:
            tls.set_alpn_protocols(["h2"])
            stream = handshake(tls, port)
        with stream:
            stream.sendall(PREFACE)
            # The first frame of a server is SETTINGS.
            return stream.recv(9)[3:4] == b"\x04"
    except OSError:
        return False


def shown(tls, port, version=None):
    """The certificate that a new connection is shown."""
    if version:
        with contextlib.suppress(ValueError):
            tls.minimum_version = tls.maximum_version = version
    try:
        with handshake(tls, port) as stream:
            return hashlib.sha256(stream.getpeercert(binary_form=True)).hexdigest()
    except OSError:
        return None


class Pki:
    """A certificate authority."""

    def __init__(self, folder):
        self.folder, self.ca = folder, f"{folder}/ca.pem"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=Test CA", "-keyout", f"{folder}/ca.key", "-out", self.ca)

    def issue(self, name):
        """A certificate for this machine and its key, put in the place of the last ones as secrets are: by a rename."""
        new, final = f"{self.folder}/{name}.new", [f"{self.folder}/{name}.{kind}" for kind in ("pem", "key")]
        with open(f"{new}.ext", "w") as file:
            file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                     "-keyout", f"{new}.key", "-out", f"{new}.csr")
        self.openssl("x509", "-req", "-in", f"{new}.csr", "-CA", self.ca, "-CAkey", f"{self.folder}/ca.key", "-days", "2",
                     "-CAcreateserial", "-extfile", f"{new}.ext", "-out", f"{new}.pem")
        for source, target in zip((f"{new}.pem", f"{new}.key"), final):
            os.replace(source, target)
        return final

    def client(self, identity=None):
        tls = ssl.create_default_context(cafile=self.ca)
        if identity:
            tls.load_cert_chain(*identity)
        return tls

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    main()
