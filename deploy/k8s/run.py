#!/usr/bin/env python3
"""Runs what a rendering says, as processes of this machine: `run.py PROGRAMS FILE`.

PROGRAMS is the folder of portico-gateway, portico-user and portico-auth; FILE a rendering with the stores in it, as of
overlays/dev or of the chart's trial values. No cluster, so no images, policies or Pod Security; but the settings, the
secrets' keys and files (certificates made here in cert-manager's place), the arguments, the order of things and the probes are the manifests': PostgreSQL and Redis start
with the passwords of the Secrets, the services as the user of the pods with their own environment and mounts; a service is
alive but not ready before the migration Job has run; the journeys of the chart pass; and everything stops in time.
Needs PostgreSQL's and Redis' programs, curl, openssl, and a Python with a YAML parser (kubernetes-validate's).
"""

import base64
import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "load" / "users"))
from system import free_ports  # noqa: E402

COMPONENT = "app.kubernetes.io/component"
POSTGRES = (sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4])) or [os.path.dirname(shutil.which("initdb") or "")])[-1]


class Rendering:
    def __init__(self, path, work):
        with open(path, encoding="utf-8") as file:
            objects = [each for each in yaml.safe_load_all(file) if each]
        of = lambda *kinds: [each for each in objects if each["kind"] in kinds]
        self.work = work
        self.configs = {each["metadata"]["name"]: each.get("data", {}) for each in of("ConfigMap")}
        self.secrets = {}
        for each in of("Secret"):
            values = {key: base64.b64decode(value).decode() for key, value in each.get("data", {}).items()}
            self.secrets[each["metadata"]["name"]] = values | each.get("stringData", {})
        for each in of("Certificate"):
            self.secrets[each["spec"]["secretName"]] = certificate(work, each["spec"])
        self.owners = {each["spec"]["template"]["metadata"]["labels"][COMPONENT]: each for each in of("Deployment", "StatefulSet", "Job")}
        self.ports = {}
        for component in self.owners:
            for port in self.container(component).get("ports", []):
                [self.ports[component, port["name"]]] = free_ports(1)
        # Where a Service's port leads to, on this machine.
        self.places = {}
        for each in of("Service"):
            component = each["spec"]["selector"][COMPONENT]
            for port in each["spec"]["ports"]:
                place = f"127.0.0.1:{self.ports[component, port['targetPort']]}"
                self.places[f"{each['metadata']['name']}:{port['port']}"] = place

    def pod(self, component):
        return self.owners[component]["spec"]["template"]["spec"]

    def container(self, component):
        return self.pod(component)["containers"][0]

    def user(self, component):
        """Whom the pod runs as; for the stores, whom PostgreSQL's programs find on this machine."""
        if component.startswith(("postgres", "redis")) and os.getuid() == 0:
            return pwd.getpwnam("postgres").pw_uid
        return self.pod(component)["securityContext"]["runAsUser"]

    def here(self, text):
        """The text, with this machine's places for the Services'."""
        for name, place in self.places.items():
            text = text.replace(f"//{name}", f"//{place}").replace(f"@{name}", f"@{place}")
        return text

    def mounts(self, component):
        """Makes the pod's volumes, and says which folder stands for which."""
        user = self.user(component)
        volumes = {volume["name"]: volume for volume in self.pod(component).get("volumes", [])}
        folders = {}
        for mount in self.container(component).get("volumeMounts", []):
            folder = pathlib.Path(self.work) / component / mount["mountPath"].strip("/").replace("/", "-")
            folder.mkdir(parents=True)
            volume = volumes.get(mount["name"], {"emptyDir": {}})
            for secret in [part["secret"] for part in volume.get("projected", {}).get("sources", [])] + [volume.get("secret", {})]:
                name = secret.get("name") or secret.get("secretName")
                for item in secret.get("items") or [{"key": key, "path": key} for key in self.secrets.get(name, {})]:
                    path = folder / item["path"]
                    path.write_text(self.here(self.secrets[name][item["key"]]), encoding="utf-8")
                    path.chmod(volume.get("projected", volume.get("secret"))["defaultMode"])
                    own(path, 0, user)
            if "emptyDir" in volume:
                own(folder, user, user)
            folders[mount["mountPath"]] = folder
        return folders

    def environment(self, component):
        container, folders = self.container(component), self.mounts(component)
        settings = {}
        for source in container.get("envFrom", []):
            settings |= self.configs[source["configMapRef"]["name"]]
        settings |= {each["name"]: each["value"] for each in container.get("env", [])}
        numbers = {str(port["containerPort"]): self.ports[component, port["name"]] for port in container.get("ports", [])}
        out = {"PATH": os.environ["PATH"]}
        for name, value in settings.items():
            if name.endswith("__LISTEN"):
                value = f"127.0.0.1:{numbers[value.rsplit(':', 1)[1]]}"
            under = next((path for path in folders if value == path or value.startswith(path + "/")), None)
            value = f"{folders[under]}{value[len(under) :]}" if under else value
            out[name] = self.here(value)
        return out, folders


def certificate(work, spec):
    """What cert-manager would put into the Secret: of one authority for all, and good for this machine's address too."""
    folder = pathlib.Path(work) / "certificates"
    openssl = lambda *arguments: subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    if not folder.exists():
        folder.mkdir(mode=0o700)
        openssl("req", "-x509", *key, "-subj", "/CN=ca", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt")
    name = spec["secretName"]
    names = ",".join(f"DNS:{host}" for host in spec.get("dnsNames", [])) or f"DNS:{spec['commonName']}"
    purposes = ",".join({"server auth": "serverAuth", "client auth": "clientAuth"}[use] for use in spec.get("usages", []) if " auth" in use)
    (folder / f"{name}.ext").write_text(
        f"subjectAltName={names},IP:127.0.0.1\n" + (f"extendedKeyUsage={purposes}\n" if purposes else ""), encoding="utf-8"
    )
    openssl("req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    read = lambda file: (folder / file).read_text(encoding="utf-8")
    return {"ca.crt": read("ca.crt"), "tls.crt": read(f"{name}.crt"), "tls.key": read(f"{name}.key")}


def own(path, user, group):
    if os.getuid() == 0:
        os.chown(path, user, group)


def as_user(user, command):
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--", *command] if os.getuid() == 0 else command


class Running:
    def __init__(self, rendering, programs, stack):
        self.rendering, self.programs, self.stack, self.children = rendering, pathlib.Path(programs).resolve(), stack, {}

    def log(self, component):
        return open(f"{self.rendering.work}/{component}.log", "a", encoding="utf-8")

    def start(self, component, command, environment):
        user = self.rendering.user(component)
        log = self.stack.enter_context(self.log(component))
        child = subprocess.Popen(as_user(user, command), env=environment, cwd="/", stdout=log, stderr=log)
        self.children[component] = child
        self.stack.callback(end, child)
        return child

    def store(self, component):
        environment, folders = self.rendering.environment(component)
        container = self.rendering.container(component)
        port = next(self.rendering.ports[component, each["name"]] for each in container["ports"])
        if component == "redis":
            config = folders[next(path for path in folders if path.startswith("/run/secrets"))] / "redis.conf"
            listen = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folders["/data"])]
            self.start(component, [container["args"][0], str(config), *listen], environment)
            return
        data = environment["PGDATA"]
        user = self.rendering.user(component)
        own(pathlib.Path(data).parent, user, user)
        make = [f"{POSTGRES}/initdb", "-D", data, "-U", environment["POSTGRES_USER"], "-A", "scram-sha-256"]
        make.append(f"--pwfile={environment['POSTGRES_PASSWORD_FILE']}")
        subprocess.run(as_user(user, make), env=environment, check=True, capture_output=True, cwd="/")
        serve = [f"{POSTGRES}/postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", "", "-c", "fsync=off"]
        self.start(component, serve, environment)
        password = pathlib.Path(environment["POSTGRES_PASSWORD_FILE"]).read_text(encoding="utf-8")
        reach = {"PATH": os.environ["PATH"], "PGPASSWORD": password, "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": environment["POSTGRES_USER"]}
        # As the image does it: a database called as its user.
        create = lambda: subprocess.run([f"{POSTGRES}/createdb", reach["PGUSER"]], env=reach, capture_output=True).returncode == 0
        check(f"{component} starts", until(create))

    def service(self, component):
        name = self.rendering.container(component)["image"].partition("@")[0].rpartition("/")[2].partition(":")[0]
        environment, _ = self.rendering.environment(component)
        return self.start(component, [str(self.programs / name), *self.rendering.container(component)["args"]], environment)

    def probe(self, component, kind):
        action = self.rendering.container(component)[kind]["httpGet"]
        return answer(f"http://127.0.0.1:{self.rendering.ports[component, action['port']]}{action['path']}")


def answer(url):
    try:
        with urllib.request.urlopen(url, timeout=3) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


def end(child):
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


failed = []


def check(what, holds, otherwise=""):
    print(f"  {'passes' if holds else 'FAILS '}  {what}", flush=True)
    if not holds:
        print(f"          {otherwise}")
        failed.append(what)
    return holds


def journeys(rendering):
    auth = rendering.configs[rendering.container("auth")["envFrom"][0]["configMapRef"]["name"]]
    secret = next(values["admin-password"] for values in rendering.secrets.values() if "admin-password" in values)
    password = pathlib.Path(rendering.work) / "admin-password"
    password.write_text(secret, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY": f"http://127.0.0.1:{rendering.ports['gateway', 'http']}",
        "ADMIN_EMAIL": auth["AUTH__BOOTSTRAP_ADMIN_EMAIL"],
        "ADMIN_PASSWORD_FILE": str(password),
    }
    script = HERE.parent / "helm" / "portico" / "files" / "journeys.sh"
    ended = subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True, timeout=300)
    check("the journeys pass", ended.returncode == 0, ended.stdout + ended.stderr + tail(rendering.work, "auth"))


def stop(running):
    """As the kubelet does after `preStop`: a signal, and what is left of the grace period."""
    for component in ("gateway", "user", "auth"):
        pod, child = running.rendering.pod(component), running.children[component]
        container = running.rendering.container(component)
        grace = pod["terminationGracePeriodSeconds"] - container["lifecycle"]["preStop"]["sleep"]["seconds"]
        began = time.monotonic()
        child.terminate()
        if component == "gateway":
            port = running.rendering.ports["gateway", "http"]
            check("the gateway says that it goes", until(lambda: answer(f"http://127.0.0.1:{port}/ready") == 503, 3))
            check("and serves meanwhile", answer(f"http://127.0.0.1:{port}/.well-known/jwks.json") == 200)
        try:
            code = child.wait(grace)
        except subprocess.TimeoutExpired:
            code = None
        check(f"{component} ends within its grace period", code == 0, f"{code} after {time.monotonic() - began:.0f} s")


def main(programs, path):
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="portico-run-"))
        os.chmod(work, 0o755)
        rendering = Rendering(path, work)
        running = Running(rendering, programs, stack)
        stores = [component for component, owner in rendering.owners.items() if owner["kind"] == "StatefulSet"]
        if not stores:
            sys.exit(f"{path} has no stores in it")
        for component in stores:
            running.store(component)
        for component in ("user", "auth", "gateway"):
            running.service(component)
        for component in ("user", "auth", "gateway"):
            for kind in ("startupProbe", "livenessProbe"):
                check(f"{component}: {kind}", until(lambda: running.probe(component, kind) == 200), tail(work, component))
        for component in ("user", "auth"):
            check(f"{component} is not ready before its schema is there", running.probe(component, "readinessProbe") == 503)
        for component in ("user", "auth"):
            job = running.service(f"{component}-migrate")
            deadline = rendering.owners[f"{component}-migrate"]["spec"]["activeDeadlineSeconds"]
            check(f"{component}: its migration Job", job.wait(min(deadline, 120)) == 0, tail(work, f"{component}-migrate"))
        for component in ("user", "auth", "gateway"):
            ready = until(lambda: running.probe(component, "readinessProbe") == 200)
            check(f"{component}: readinessProbe", ready, tail(work, component))
        journeys(rendering)
        stop(running)
    print(f"{len(failed)} failed")
    return bool(failed)


def tail(work, component):
    return pathlib.Path(f"{work}/{component}.log").read_text(encoding="utf-8")[-2000:]


if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.exit(main(*sys.argv[1:]))
