#!/usr/bin/env python3
"""Tries the scripts of the delivery without a cluster and without a registry: `check.py`.

Stand-ins for helm, kubectl, cargo, curl, aws and cosign write down what they are asked for; one of them fails where a
delivery would. What must hold: a service that does not pass its journeys is taken back to the revision before and the
delivery fails; whatever is no service, no digest or no release is refused before anything is touched; what a change
touches is built, and nothing else.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
DIGEST = "sha256:" + "5" * 64

STAND_IN = """#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >>"$CALLS"
case "$(basename "$0") $*" in
  *' list '*) printf '%s\\n' "$RELEASES" ;;
esac
case " $FAILING " in *" $(basename "$0") "*) exit 1 ;; esac
"""


class Machine:
    """A folder of programs that stand in, and what they were asked for."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name in ("helm", "kubectl", "cargo", "curl", "aws", "cosign"):
            path = self.folder / name
            path.write_text(STAND_IN, encoding="utf-8")
            path.chmod(0o755)

    def run(self, script, *arguments, failing="", releases='[{"name": "portico", "revision": "7"}]', **more):
        calls = self.folder / "calls"
        calls.write_text("", encoding="utf-8")
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": str(self.folder), "CALLS": str(calls)}
        environment |= {"FAILING": failing, "RELEASES": releases, "E2E_URL": "https://api.example.com"} | more
        ended = subprocess.run([HERE / script, *arguments], env=environment, capture_output=True, text=True, timeout=60)
        return ended.returncode, calls.read_text(encoding="utf-8"), ended.stdout + ended.stderr


failed = []


def check(what, holds, otherwise=""):
    print(f"  {'passes' if holds else 'FAILS '}  {what}")
    if not holds:
        print(f"          {otherwise}")
        failed.append(what)


def rollout(machine):
    run = lambda *arguments, **more: machine.run("rollout.sh", *arguments, **more)
    code, calls, said = run("user", DIGEST, "portico")
    upgrade = next((line for line in calls.splitlines() if line.startswith("helm") and " upgrade " in line), "")
    check("a service is delivered by its digest", code == 0 and f"user.image.digest={DIGEST}" in upgrade, said)
    check("it waits, and goes back by itself when pods do not become ready", "--wait" in upgrade and "--rollback-on-failure" in upgrade)
    check("values of other services stay as they are", "--reset-then-reuse-values" in upgrade)
    check("the journeys run", "cargo test" in calls and " rollback " not in calls, calls)
    code, calls, said = run("user", DIGEST, "portico", failing="cargo")
    check("what does not pass is taken back to the revision before", code != 0 and "rollback portico 7 --wait" in calls, calls)
    code, calls, said = run("user", DIGEST, "portico", failing="cargo helm")
    check("a delivery that fails early runs no journeys", code != 0 and "cargo" not in calls, calls)
    code, calls, said = run("user", DIGEST, "portico", releases="[]")
    check("without a release nothing is touched", code != 0 and "upgrade" not in calls, calls)
    code, calls, said = run("users", DIGEST, "portico")
    check("what is no service is refused", code != 0 and not calls, calls)
    code, calls, said = run("user", "v1.2.3", "portico")
    check("a tag is refused", code != 0 and not calls, calls)
    code, calls, said = run("user", DIGEST, "portico", CLUSTER="prod")
    check("a named cluster is reached first", calls.startswith("aws eks update-kubeconfig --name prod"), calls)


def tests(machine):
    for service, crate in (("gateway", "portico-gateway"), ("user", "portico-user"), ("auth", "portico-auth"), ("standalone", "portico")):
        code, calls, said = machine.run("test.sh", service)
        named = [line.split()[3] if " --package " in line else line for line in calls.splitlines()]
        done = [line.split()[1] for line in calls.splitlines()]
        check(f"{service} alone is formatted, linted and tested", code == 0 and done == ["fmt", "clippy", "test"] and set(named) == {crate}, calls)
    code, calls, said = machine.run("test.sh", "users")
    check("what is no service is not tested", code != 0 and not calls, calls)
    code, calls, said = machine.run("test.sh", "user", failing="cargo")
    check("what fails, fails", code != 0, calls)


def signature(machine):
    run = lambda *arguments, **more: machine.run("signature.sh", *arguments, **more)
    image, by = f"ghcr.io/portico/portico-user@{DIGEST}", "https://github.com/portico/portico/.github/workflows/release.yml@"
    code, calls, said = run("verify", image, by)
    check("an identity's dots are dots", code == 0 and "^https://github\\.com/portico/portico/\\.github/workflows/release\\.yml@" in calls, calls)
    check("the issuer is named", "--certificate-oidc-issuer https://token.actions.githubusercontent.com" in calls, calls)
    code, calls, said = run("verify", image, by, failing="cosign")
    check("what is not signed is refused", code != 0 and "is signed" not in said, said)
    code, calls, said = run("sign", "ghcr.io/portico/portico-user:latest")
    check("a tag is not signed", code != 0 and not calls, calls)
    summary = machine.folder / "summary"
    code, calls, said = run("sign", image, GITHUB_STEP_SUMMARY=str(summary))
    check("a signed image is told by its digest", code == 0 and summary.read_text(encoding="utf-8") == f"{image}\n", said)


def changed(folder):
    """In a repository of its own, with this one's script."""
    root = pathlib.Path(folder) / "repository"
    (root / "deploy" / "release").mkdir(parents=True)
    script = root / "deploy" / "release" / "changed.sh"
    script.write_bytes((HERE / "changed.sh").read_bytes())
    script.chmod(0o755)
    git = lambda *arguments: subprocess.run(["git", "-C", root, "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True, capture_output=True)
    git("init", "--quiet")
    git("add", "-A")
    git("commit", "--quiet", "-m", "before")
    every = ["gateway", "user", "auth", "standalone"]
    cases = [
        ("gateway/src/a.rs", ["gateway", "standalone"]),
        ("services/user/src/a.rs", ["user", "standalone"]),
        ("services/auth/src/a.rs", ["auth", "standalone"]),
        ("shared/transcode/src/a.rs", ["gateway", "standalone"]),
        ("shared/service/src/a.rs", every),
        ("proto/portico/a.proto", every),
        ("Cargo.lock", every),
        ("deploy/docker/Dockerfile", every),
        ("deploy/k8s/README.md", []),
        ("README.md", []),
    ]
    for path, wanted in cases:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x", encoding="utf-8")
        git("add", "-A")
        git("commit", "--quiet", "-m", path)
        said = subprocess.run([script, "HEAD^"], capture_output=True, text=True, check=True).stdout
        check(f"a change to {path} builds {', '.join(wanted) or 'nothing'}", json.loads(said) == wanted, said)
    git("mv", "gateway/src/a.rs", "services/user/src/b.rs")
    git("commit", "--quiet", "-m", "moved")
    said = subprocess.run([script, "HEAD^"], capture_output=True, text=True, check=True).stdout
    check("what moved from one service to another builds both", json.loads(said) == ["gateway", "user", "standalone"], said)
    git("reset", "--quiet", "--hard", "HEAD^")
    said = subprocess.run([script, ""], capture_output=True, text=True, check=True).stdout
    check("without a base everything is built", json.loads(said) == every, said)
    output = root / "output"
    subprocess.run([script, "--output", "HEAD^"], env=os.environ | {"GITHUB_OUTPUT": str(output)}, check=True)
    check("a step's output is told", output.read_text(encoding="utf-8") == "services=[]\n")


def main():
    with tempfile.TemporaryDirectory(prefix="portico-release-") as folder:
        machine = Machine(folder)
        rollout(machine)
        tests(machine)
        signature(machine)
        changed(folder)
    print(f"{len(failed)} failed")
    return bool(failed)


sys.exit(main())
