#!/usr/bin/env python3
"""Tries the scripts of the delivery without a cluster and without a registry: `check.py`.

Stand-ins for helm, kubectl, cargo, curl, aws and cosign write down what they are asked for; one of them fails where a
delivery would. What must hold: a service that does not pass its journeys is taken back to the revision before, or alone
where somebody else delivered meanwhile, and the delivery fails; whatever is no service, no digest, no release or no journey
is refused before anything is touched; the wait outlasts the chart's own times; only what the release workflow signed on
the main branch or a tag is delivered; what a change touches is built, and nothing else.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
DIGEST = "sha256:" + "5" * 64

STAND_IN = """#!/bin/sh
call="$(basename "$0") $*"
printf '%s\\n' "$call" >>"$CALLS"
case $call in
  *' list '*) if grep -q ' upgrade ' "$CALLS"; then printf '%s\\n' "$AFTER"; else printf '%s\\n' "$RELEASES"; fi ;;
  *' get values '*) printf '%s\\n' "$VALUES" ;;
esac
case " $FAILING " in *" $(basename "$0") "*) exit 1 ;; esac
case "$REFUSED" in ?*) case $call in *$REFUSED*) exit 1 ;; esac ;; esac
"""


class Machine:
    """A folder of programs that stand in, and what they were asked for."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name in ("helm", "kubectl", "cargo", "curl", "aws", "cosign"):
            path = self.folder / name
            path.write_text(STAND_IN, encoding="utf-8")
            path.chmod(0o755)

    def run(self, script, *arguments, failing="", refused="", revisions=(7, 8), values="null", **more):
        """`failing` programs end with 1, and so does each call with `refused` in it."""
        calls = self.folder / "calls"
        calls.write_text("", encoding="utf-8")
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": str(self.folder), "CALLS": str(calls)}
        before, after = (f'[{{"name": "portico", "revision": "{revision}"}}]' if revision else "[]" for revision in revisions)
        environment |= {"FAILING": failing, "REFUSED": refused, "RELEASES": before, "AFTER": after, "VALUES": values}
        environment |= {"E2E_URL": "https://api.example.com", "E2E_ADMIN_EMAIL": "ada@example.org", "E2E_ADMIN_PASSWORD": "secret"} | more
        ended = subprocess.run([HERE / script, *arguments], env=environment, capture_output=True, text=True, timeout=60)
        return ended.returncode, calls.read_text(encoding="utf-8"), ended.stdout + ended.stderr


failed = []
JOURNEYS = "cargo test --locked --package portico --test journeys a_running_system_passes"


def seconds(upgrade):
    """How long a call of helm waits."""
    found = re.search(r"--timeout (\d+)m", upgrade)
    return int(found[1]) * 60 if found else 0


def chart_times():
    """The longest that the chart gives a migration, or a rollout that stands still."""
    chart = HERE.parent / "helm" / "portico"
    command = ["helm", "template", "portico", chart, "--values", chart / "ci" / "cloud-values.yaml"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return max(map(int, re.findall(r"(?:progress|active)DeadlineSeconds: (\d+)", said)))


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
    check("the journeys run", JOURNEYS in calls and " rollback " not in calls, calls)
    check("they are compiled before anything is touched", 0 <= calls.find("--no-run") < calls.find("helm"), calls)
    check("the wait outlasts the chart's own times", seconds(upgrade) >= chart_times(), f"{seconds(upgrade)} s for {chart_times()} s")
    code, calls, said = run("user", DIGEST, "portico", refused=JOURNEYS)
    check("what does not pass is taken back to the revision before", code != 0 and "rollback portico 7 --wait" in calls, calls)
    former = "sha256:" + "7" * 64
    code, calls, said = run("user", DIGEST, "portico", refused=JOURNEYS, revisions=(7, 9), values=json.dumps({"user": {"image": {"digest": former}}}))
    alone = code != 0 and " rollback " not in calls and calls.count(" upgrade ") == 2 and f"user.image.digest={former}" in calls
    check("what somebody else delivered meanwhile stays", alone, calls)
    code, calls, said = run("user", DIGEST, "portico", refused=JOURNEYS, revisions=(7, 9))
    check("and a service that had no digest gets its tag back", code != 0 and "user.image.digest= " in calls, calls)
    code, calls, said = run("user", DIGEST, "portico", failing="cargo")
    check("journeys that do not compile touch nothing", code != 0 and "helm" not in calls, calls)
    code, calls, said = run("user", DIGEST, "portico", failing="helm")
    check("a delivery that fails early runs no journeys", code != 0 and JOURNEYS not in calls, calls)
    code, calls, said = run("user", DIGEST, "portico", E2E_ADMIN_PASSWORD="")
    check("without an administrator nothing is touched", code != 0 and not calls, calls)
    code, calls, said = run("user", DIGEST, "portico", JOURNEYS="skip", E2E_ADMIN_PASSWORD="")
    check("without journeys nobody is asked for one", code == 0 and "cargo" not in calls and " upgrade " in calls, calls)
    code, calls, said = run("user", DIGEST, "portico", revisions=(None, None))
    check("without a release nothing is touched", code != 0 and "upgrade" not in calls, calls)
    code, calls, said = run("users", DIGEST, "portico")
    check("what is no service is refused", code != 0 and not calls, calls)
    code, calls, said = run("user", "v1.2.3", "portico")
    check("a tag is refused", code != 0 and not calls, calls)
    code, calls, said = run("user", DIGEST, "portico", CLUSTER="prod")
    check("a named cluster is reached first", 0 <= calls.find("aws eks update-kubeconfig --name prod") < calls.find("helm"), calls)


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
    image, by = f"ghcr.io/portico/portico-user@{DIGEST}", "https://github.com/portico/portico/.github/workflows/release.yml"
    code, calls, said = run("verify", image, by)
    identity = re.search(r"--certificate-identity-regexp (\S+)", calls)
    signs = lambda signer: identity and re.search(identity[1], signer) is not None
    check("an identity's dots are dots", code == 0 and not signs(f"{by}@refs/heads/main".replace(".github/", "-github/")), calls)
    check("the main branch and a tag sign", signs(f"{by}@refs/heads/main") and signs(f"{by}@refs/tags/v1.2.3") and signs(f"{by}@refs/tags/v1.3.0-rc.1"), calls)
    others = [f"{by}@refs/heads/mine", f"{by}@refs/heads/main-2", f"{by}@refs/pull/7/merge", f"{by}@refs/tags/next", f"https://example.com/?{by}@refs/heads/main"]
    check("another branch does not, nor anybody else", not any(map(signs, others)), calls)
    code, calls, said = run("verify", image.replace("portico/", "Portico/", 1), by)
    check("a registry is asked in lower case", code == 0 and image in calls, calls)
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
