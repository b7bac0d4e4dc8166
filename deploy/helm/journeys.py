#!/usr/bin/env python3
"""Runs the journeys of `helm test` on real processes: `journeys.py PROGRAMS`, the folder of portico-gateway, -user, -auth.

They must pass, with sh and with busybox' sh where that is installed, and fail where they must: with a wrong password, and
when the user service is gone. Needs PostgreSQL's programs and curl.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "load" / "users"))
from system import ADMIN, System  # noqa: E402


def journeys(shell, system, password, patience=60):
    with tempfile.NamedTemporaryFile("w", suffix=".password") as file:
        file.write(password)
        file.flush()
        environment = {
            "PATH": os.environ["PATH"],
            "GATEWAY": f"http://127.0.0.1:{system.rest}",
            "ADMIN_EMAIL": ADMIN[0],
            "ADMIN_PASSWORD_FILE": file.name,
            "PATIENCE": str(patience),
        }
        script = str(HERE / "portico" / "files" / "journeys.sh")
        return subprocess.run([*shell, script], env=environment, capture_output=True, text=True, timeout=300)


def main(programs):
    shells = [["sh"]] + [[shutil.which("busybox"), "sh"]] * bool(shutil.which("busybox"))
    faults = []
    with System(programs) as system:
        for shell in shells:
            ended = journeys(shell, system, ADMIN[1])
            print(ended.stdout + ended.stderr, end="")
            if ended.returncode or "journeys passed" not in ended.stdout:
                faults.append(f"the journeys do not pass with {' '.join(shell)}")
        rows = system.call(system.connect(), "GET", "/api/v1/oauth-clients")[1].get("clients", [])
        if rows:
            faults.append(f"the journeys leave {len(rows)} clients behind")
        if journeys(shells[0], system, "not the password", patience=2).returncode == 0:
            faults.append("the journeys pass with a wrong password")
        system.children["user"].terminate()
        system.children["user"].wait(30)
        ended = journeys(shells[0], system, ADMIN[1], patience=2)
        if ended.returncode == 0:
            faults.append("the journeys pass without a user service")
        print(f"  without a user service: {ended.stderr.strip().splitlines()[-1][:100] if ended.stderr else ended.stdout}")
    for fault in faults:
        print(f"FAILED: {fault}")
    return bool(faults)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
