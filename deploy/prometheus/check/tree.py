"""What lies in the tree: rules, unit tests, dashboards, and the table of metrics."""

import json
import re
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent.parent
DASHBOARDS = HERE.parent / "grafana" / "dashboards"
METRICS = HERE.parent.parent / "shared" / "telemetry" / "METRICS.md"


def rules():
    """All rules, as Prometheus writes them."""
    for path in sorted((HERE / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def records():
    return {rule["record"] for rule in rules() if "record" in rule}


def unit_tests():
    """Expressions of the unit tests and whether each is expected to give something."""
    for path in sorted((HERE / "tests").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["tests"]:
            for case in group["promql_expr_test"]:
                yield case["expr"], bool(case.get("exp_samples"))


def dashboards():
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard):
    """Its panels without the rows, which hold none themselves while they are open."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries():
    """Every query of every panel: (dashboard, panel, expression)."""
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield name, panel["title"], target["expr"]


def metrics():
    """The table: each metric with its type and the names of its labels."""
    known, section = {}, None
    for line in METRICS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("#"):
            section = None
        elif cells[0] == "Metric":
            section = cells
        elif section and line.startswith("|") and not set(cells[0]) <= {"-", " "}:
            named = dict(zip(section, cells))
            # `label`, `label`: what they can be; `label`: …
            heads = (part.split(":")[0] for part in named["Labels"].split(";"))
            labels = [label for head in heads for label in re.findall(r"`([a-z_]+)`", head)]
            known[cells[0].strip("`")] = (named["Type"], set(labels))
    return known
