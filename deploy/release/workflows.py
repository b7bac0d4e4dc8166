#!/usr/bin/env python3
"""Holds the workflows to what they promise: `workflows.py FOLDER`.

Each action is pinned by the SHA of a commit, with its version behind it; each step that runs something runs a script of the
project, which runs as well by hand; permissions are named, and nothing is written but by the job that needs it. Run it
with a Python that has a YAML parser.
"""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
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
        for step in job["steps"]:
            command = step.get("run")
            if command is None:
                continue
            script = command.split()[0]
            if "\n" in command.strip() or not (ROOT / script).is_file():
                yield f"{name}: {step.get('name', script)}: no script of the project: {command.strip().splitlines()[0]}"
            if "${{" in command:
                yield f"{name}: {step.get('name', script)}: takes an expression where it should take a variable"


def main(folder):
    paths = sorted(pathlib.Path(folder).glob("*.y*ml"))
    found = [f"{path.name}: {fault}" for path in paths for fault in faults(path)]
    print(*found, sep="\n", end="\n" if found else "")
    if not paths:
        sys.exit(f"{folder} holds no workflow")
    print(f"{len(paths)} workflows, {len(found)} faults")
    return bool(found)


sys.exit(main(*sys.argv[1:]))
