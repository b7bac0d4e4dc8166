#!/usr/bin/env python3
"""Has the programs read the settings that the manifests give them: `settings.py PROGRAMS FILE…`.

PROGRAMS is the folder of portico-gateway, portico-user and portico-auth, each FILE a rendering. Each container of theirs
is started with `--print-config` in its own environment, with files in place of its secrets, and must take all of it: a
misspelt variable, a wrong type or a setting that another one forbids ends the program with its name.
"""

import base64
import pathlib
import subprocess
import sys
import tempfile

import yaml

# What a Secret's file may hold; the others are certificates and keys, which are only looked for here.
VALUES = {
    "database-url": "postgres://portico:secret@database:5432/portico",
    "master-key": base64.b64encode(bytes(32)).decode(),
    "admin-password": "a passphrase for this check alone",
    "redis-url": "redis://:secret@redis:6379",
    "url": "smtp://user:secret@mail:587?tls=required",
}


def containers(objects):
    configs = {each["metadata"]["name"]: each.get("data", {}) for each in objects if each["kind"] == "ConfigMap"}
    for owner in objects:
        for container in owner.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            name = container["image"].partition("@")[0].partition(":")[0].rpartition("/")[2]
            if name not in ("portico-gateway", "portico-user", "portico-auth"):
                continue
            settings = {}
            for source in container.get("envFrom", []):
                settings |= configs[source["configMapRef"]["name"]]
            settings |= {each["name"]: each["value"] for each in container.get("env", [])}
            yield f"{owner['kind']}/{owner['metadata']['name']}", name, settings


def fault(programs, name, settings, folder):
    """What the program says against its settings, if anything."""
    environment = {"PATH": "/usr/bin:/bin"}
    for key, value in settings.items():
        if key.endswith("_FILE"):
            path = pathlib.Path(folder) / key
            path.write_text(VALUES.get(pathlib.PurePath(value).name, "none"), encoding="utf-8")
            value = str(path)
        environment[key] = value
    ended = subprocess.run(
        [f"{programs}/{name}", "--print-config"], env=environment, cwd=folder, capture_output=True, text=True, timeout=60
    )
    return (ended.stderr + ended.stdout).strip() if ended.returncode else None


def main(programs, *paths):
    asked, found = {}, 0
    with tempfile.TemporaryDirectory(prefix="portico-settings-") as folder:
        for path in paths:
            with open(path, encoding="utf-8") as file:
                objects = [each for each in yaml.safe_load_all(file) if each]
            for who, name, settings in containers(objects):
                key = (name, *sorted(settings.items()))
                if key not in asked:
                    asked[key] = fault(pathlib.Path(programs).resolve(), name, settings, folder)
                if asked[key]:
                    print(f"{pathlib.Path(path).name}: {who}: {asked[key]}")
                    found += 1
    if not asked:
        sys.exit("no container of Portico's in it")
    print(f"{len(asked)} different environments of {len(paths)} renderings are what the programs take")
    return found != 0


if len(sys.argv) < 3:
    sys.exit(__doc__)
sys.exit(main(*sys.argv[1:]))
