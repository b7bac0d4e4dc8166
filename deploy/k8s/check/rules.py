#!/usr/bin/env python3
"""Prints the rules of deploy/prometheus/rules as one PrometheusRule: `rules.py >components/observe/rules.yaml`.

Text, not a parsed tree, so that comments and layout stay as they are there.
"""

import pathlib

RULES = pathlib.Path(__file__).resolve().parents[2] / "prometheus" / "rules"
HEAD = """---
# Made by check/rules.py from deploy/prometheus/rules: change it there.
# yamllint disable rule:line-length
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: portico
  labels:
    app.kubernetes.io/name: portico
spec:
  groups:"""


def groups(text):
    """The lines below `groups:`, two spaces below `spec:`."""
    lines = text.splitlines()
    below = lines[lines.index("groups:") + 1 :]
    indent = "" if next(line for line in below if line.strip().startswith("-")).startswith("  ") else "  "
    return [f"  {indent}{line}" if line.strip() else "" for line in below]


def main():
    print(HEAD)
    for path in sorted(RULES.glob("*.yml")):
        print("\n".join(groups(path.read_text(encoding="utf-8"))).strip("\n"))


main()
