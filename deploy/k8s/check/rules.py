#!/usr/bin/env python3
"""Prints the rules of deploy/prometheus/rules: `rules.py component`, as one PrometheusRule, or `rules.py chart`, as its `spec`.

Text, not a parsed tree, so that comments and layout stay as they are there.
"""

import pathlib
import sys

RULES = pathlib.Path(__file__).resolve().parents[2] / "prometheus" / "rules"
HEAD = """---
# Made by deploy/k8s/check/rules.py from deploy/prometheus/rules: change it there.
# yamllint disable rule:line-length
"""
COMPONENT = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: portico
  labels:
    app.kubernetes.io/name: portico
spec:
  groups:
"""


def groups(text):
    """The lines below `groups:`, two spaces below it."""
    lines = text.splitlines()
    below = lines[lines.index("groups:") + 1 :]
    indent = "" if next(line for line in below if line.strip().startswith("-")).startswith("  ") else "  "
    return [f"{indent}{line}" if line.strip() else "" for line in below]


def main(form):
    deeper = "  " if form == "component" else ""
    print(HEAD + (COMPONENT if form == "component" else "groups:\n"), end="")
    for path in sorted(RULES.glob("*.yml")):
        lines = groups(path.read_text(encoding="utf-8"))
        print("\n".join(deeper + line if line else "" for line in lines).strip("\n"))


if sys.argv[1:] not in (["component"], ["chart"]):
    sys.exit(__doc__)
main(sys.argv[1])
