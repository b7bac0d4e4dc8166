#!/usr/bin/env python3
"""Copies the rules with every duration divided: `shorten.py RULES OUT FACTOR`. A window of 5 minutes becomes one of 15
seconds with a factor of 20, so that a fault shows soon. What an alert compares with stays, but for ages of mails."""

import re
import sys
from pathlib import Path

import yaml

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# A window of less holds too few scrapes for a rate.
LEAST = 10
# Compared with an age in seconds that would have to pass.
AGES = {"max(auth_mails_oldest_seconds) > 300": "max(auth_mails_oldest_seconds) > 15"}


def seconds(text):
    return int(text[:-1]) * UNITS[text[-1]]


def shorten(rule, factor):
    expression = AGES.get(rule["expr"], rule["expr"])
    rule["expr"] = re.sub(
        r"(\[|offset )(\d+[smhd])", lambda it: f"{it[1]}{max(seconds(it[2]) // factor, LEAST)}s", expression
    )
    if "for" in rule:
        rule["for"] = f"{seconds(rule['for']) // factor}s"
    return rule


def main():
    source, out, factor = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    out.mkdir()
    for path in source.glob("*.yml"):
        rules = yaml.safe_load(path.read_text())
        for group in rules["groups"]:
            group["rules"] = [shorten(rule, factor) for rule in group["rules"]]
        (out / path.name).write_text(yaml.safe_dump(rules, sort_keys=False, width=1000))


if __name__ == "__main__":
    main()
