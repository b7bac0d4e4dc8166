#!/usr/bin/env python3
"""Holds `.github/dependabot.yml` to looking at everything that names a version of somebody else's work.

Walks the files that git knows, finds the folders that each ecosystem would have something to say about, and names those that
the configuration leaves out, and those that it looks at in vain. Run it with a Python that has a YAML parser.
"""

import fnmatch
import pathlib
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# An image of somebody else's: ours have no version where they are named.
IMAGE = re.compile(r"^\s*(- )?image: [\w./-]+:[\w.-]+$", re.MULTILINE)
# As Dependabot knows compose files.
COMPOSE = re.compile(r"(docker-)?compose(\.[\w-]+)?\.ya?ml", re.IGNORECASE)


def ecosystem(path):
    """Which one looks at a file, if any."""
    match path.name:
        case "Cargo.lock":
            return "cargo"
        case "Dockerfile":
            return "docker"
        case "Chart.yaml":
            return "helm"
        case "package.json":
            return "npm"
        case "requirements.txt":
            return "pip"
    if path.suffix == ".tf" and "required_providers" in path.read_text(encoding="utf-8"):
        return "terraform"
    # A chart's values belong to the chart.
    if path.suffix in (".yaml", ".yml") and "helm" not in path.parts and IMAGE.search(path.read_text(encoding="utf-8")):
        return "docker-compose" if COMPOSE.search(path.name) else "docker"
    return None


def folder(path):
    inside = path.parent.relative_to(ROOT).as_posix()
    return "/" if inside == "." else f"/{inside}"


def main():
    config = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text(encoding="utf-8"))
    watched = {(u["package-ecosystem"], d) for u in config["updates"] for d in u.get("directories", [u.get("directory")])}
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    files = [path for name in listed.split("\0") if name and (path := ROOT / name).is_file() and not path.is_symlink()]
    there = {(kind, folder(path)) for path in files if (kind := ecosystem(path))}
    there.add(("github-actions", "/"))

    def covers(entry, place):
        return entry[0] == place[0] and fnmatch.fnmatchcase(place[1], entry[1])

    faults = [f"{kind}: nobody looks at {place}" for kind, place in sorted(there) if not any(covers(w, (kind, place)) for w in watched)]
    faults += [f"{kind}: there is nothing in {place}" for kind, place in sorted(watched) if not any(covers((kind, place), t) for t in there)]
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(there)} folders with versions of others, {len(faults)} faults")
    return bool(faults)


sys.exit(main())
