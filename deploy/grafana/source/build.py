#!/usr/bin/env python3
"""Writes ../dashboards/*.json from the sources beside this file. `--check` writes nothing and fails when they differ."""

import json
import sys
from pathlib import Path

import auth
import gateway
import identity
import overview
import user
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"
SOURCES = {it.__name__: it for it in (overview, gateway, user, auth, identity)}


def main():
    texts = {
        FOLDER / f"{name}.json": json.dumps(it.dashboard(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        for name, it in SOURCES.items()
    }
    if "--check" in sys.argv[1:]:
        stale = [path.name for path, text in texts.items() if not path.exists() or path.read_text() != text]
        stale += [path.name for path in FOLDER.glob("*.json") if path not in texts]
        if stale:
            sys.exit(f"not what build.py writes: {', '.join(sorted(stale))}")
        return
    for path, text in texts.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
