#!/usr/bin/env python3
"""Holds the workflows to what they promise: `workflows.py FOLDER`.

Each action is pinned by the SHA of a commit, with its version behind it; each step that runs something runs a script of the
project and nothing beside it, which runs as well by hand; a workflow may read the sources alone, and a job write no more
than packages and ask for an identity; no step finds the checkout's credentials. Run it with a Python that has a YAML parser.
"""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What a job may be granted beyond reading: to push an image, and to say who it is.
GRANTED = {"packages", "id-token"}
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$")


def faults(path):
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if "uses:" in line and not PINNED.search(line) and "uses: ./" not in line:
            yield f"{number}: not pinned by SHA, with the version behind it: {line.strip()}"
    workflow = yaml.safe_load(text)
    if workflow.get("permissions") != {"contents": "read"}:
        yield "permissions: a workflow begins with contents: read alone"
    for name, job in workflow["jobs"].items():
        if "timeout-minutes" not in job:
            yield f"{name}: no timeout"
        granted = job.get("permissions", {})
        if not isinstance(granted, dict):
            yield f"{name}: permissions: {granted} instead of what it needs"
        elif more := sorted({scope for scope, level in granted.items() if level == "write"} - GRANTED):
            yield f"{name}: permissions: may write {', '.join(more)}"
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@") and step.get("with", {}).get("persist-credentials") is not False:
                yield f"{name}: the checkout leaves its credentials behind"
            command = step.get("run")
            if command is None:
                continue
            script, called = command.split()[0], step.get("name") or command.split()[0]
            if re.search(r"[\n;&|<>`]|\$\(", command.strip()) or not (ROOT / script).is_file():
                yield f"{name}: {called}: no script of the project alone: {command.strip().splitlines()[0]}"
            if "${{" in command:
                yield f"{name}: {called}: takes an expression where it should take a variable"


def main(folder):
    paths = sorted(pathlib.Path(folder).glob("*.y*ml"))
    found = [f"{path.name}: {fault}" for path in paths for fault in faults(path)]
    print(*found, sep="\n", end="\n" if found else "")
    if not paths:
        sys.exit(f"{folder} holds no workflow")
    print(f"{len(paths)} workflows, {len(found)} faults")
    return bool(found)


sys.exit(main(*sys.argv[1:]))
