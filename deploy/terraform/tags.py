#!/usr/bin/env python3
"""Every resource that can bear tags bears some: `tags.py SCHEMA FOLDER`.

SCHEMA is JSON, with the arguments of each of the provider's types: {"aws_vpc": {"tags": …, …}, …}. Run it with a Python
that has hcl2, such as checkov's.
"""

import json
import pathlib
import sys

import hcl2


def main(schema, folder):
    types = json.loads(pathlib.Path(schema).read_text(encoding="utf-8"))
    tagged = {name for name, arguments in types.items() if "tags" in arguments}
    if not tagged:
        sys.exit(f"{schema} names no resource that takes tags")
    found = bare = 0
    for path in sorted(pathlib.Path(folder).rglob("*.tf")):
        if ".terraform" in path.parts:
            continue
        with open(path, encoding="utf-8") as file:
            for block in hcl2.load(file).get("resource", []):
                for kind, named in block.items():
                    kind = kind.strip('"')
                    for name, body in named.items():
                        found += kind in tagged
                        if kind in tagged and "tags" not in body:
                            print(f"{path}: {kind}.{name}: no tags")
                            bare += 1
    print(f"{found} resources that take tags, {bare} without")
    return bare != 0 or found == 0


if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.exit(main(*sys.argv[1:]))
