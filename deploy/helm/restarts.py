#!/usr/bin/env python3
"""Prints what an upgrade from one rendering to another starts anew, one owner a line: `restarts.py BEFORE.yaml AFTER.yaml`.

Those whose pods' template is another, and those that are new; migrations without the hash in their names.
"""

import json
import re
import sys

import yaml


def pods(path):
    with open(path, encoding="utf-8") as file:
        objects = [each for each in yaml.safe_load_all(file) if each]
    owners = {}
    for each in objects:
        template = each.get("spec", {}).get("template", {})
        if "containers" in template.get("spec", {}):
            owners[each["kind"], each["metadata"]["name"]] = json.dumps(template, sort_keys=True)
    if not owners:
        sys.exit(f"{path} has no pods in it")
    return owners


def main(before, after):
    for (kind, name), template in sorted(after.items()):
        if before.get((kind, name)) != template:
            print(f"{kind}/{re.sub('-migrate-[0-9a-f]{8}$', '-migrate', name)}")


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*map(pods, sys.argv[1:]))
