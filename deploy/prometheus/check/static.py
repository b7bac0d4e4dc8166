#!/usr/bin/env python3
"""What can be known of rules and dashboards without running anything. Names each fault and exits with 1."""

import re
import sys
from collections import Counter

import promql
import tree

# Prometheus' own, and what it adds to every series of a scrape.
OWN_METRICS = {"up", "ALERTS"}
OWN_LABELS = {"job", "instance", "le"}
SECTIONS = ("**Means.**", "**You see.**", "**First steps.**", "**Made to fire.**")


def names(where, expression, known, records):
    for metric in promql.metrics(expression) - OWN_METRICS - records:
        base = re.sub(r"_(bucket|sum|count)$", "", metric)
        if metric not in known and not (base in known and known[base][0] == "histogram"):
            yield f"{where}: {metric} does not stand in shared/telemetry/METRICS.md"
    for metric, label in promql.labels(expression):
        kind, labels = known.get(re.sub(r"_(bucket|sum|count)$", "", metric or ""), known.get(metric, (None, None)))
        if kind and label not in labels | OWN_LABELS:
            yield f"{where}: {metric} has no label {label}"
    everywhere = {label for _, labels in known.values() for label in labels} | OWN_LABELS | {"slo", "alertname"}
    for label in promql.groupings(expression):
        if label not in everywhere:
            yield f"{where}: nothing has the label {label}"


def alerts(runbook):
    tests = list(tree.unit_tests())
    for rule in tree.alerts():
        name = rule["alert"]
        if not re.fullmatch(r"Portico[A-Z][A-Za-z]+", name):
            yield f"{name}: the name of an alert begins with Portico"
        if rule["labels"].get("severity") not in ("critical", "warning"):
            yield f"{name}: severity is critical (wakes somebody) or warning (can wait for the morning)"
        for annotation in ("summary", "description"):
            if not rule["annotations"].get(annotation):
                yield f"{name}: no {annotation}"
        if rule["annotations"].get("runbook_url") != f"deploy/prometheus/RUNBOOK.md#{name.lower()}":
            yield f"{name}: runbook_url does not lead to its section"
        section = runbook.get(name)
        if section is None:
            yield f"{name}: no section in RUNBOOK.md"
        for part in SECTIONS:
            if section is not None and part not in section:
                yield f"{name}: its section in RUNBOOK.md has no {part}"
        fires = {expected for expression, expected in tests if f'alertname="{name}"' in expression}
        if fires != {True, False}:
            yield f"{name}: needs unit tests of when it fires and of when it does not"
    known = {rule["alert"] for rule in tree.alerts()}
    for name in runbook.keys() - known:
        yield f"RUNBOOK.md: there is no alert {name}"


def dashboards():
    uids = Counter(board["uid"] for board in tree.dashboards().values())
    for name, board in tree.dashboards().items():
        if uids[board["uid"]] > 1:
            yield f"{name}: another dashboard has its uid"
        ids = Counter(panel["id"] for panel in board["panels"])
        cells = Counter()
        for panel in board["panels"]:
            if ids[panel["id"]] > 1:
                yield f"{name}, {panel['title']}: another panel has its id"
            at = panel["gridPos"]
            if at["x"] + at["w"] > 24:
                yield f"{name}, {panel['title']}: wider than the grid"
            cells.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))
        if any(count > 1 for count in cells.values()):
            yield f"{name}: panels lie over each other"
        for panel in tree.panels(board):
            if not panel.get("description"):
                yield f"{name}, {panel['title']}: says nothing of how to read it"
            if {target["datasource"]["uid"] for target in panel["targets"]} != {"prometheus"}:
                yield f"{name}, {panel['title']}: asks something else than the provisioned Prometheus"


def sections():
    text = (tree.HERE / "RUNBOOK.md").read_text()
    return dict(re.findall(r"(?ms)^### (Portico\w+)\n(.*?)(?=^#{1,3} |\Z)", text))


def main():
    known, records = tree.metrics(), tree.records()
    if len(known) < 50:
        sys.exit(f"only {len(known)} metrics were read from METRICS.md: its tables have another form")
    faults = [*alerts(sections()), *dashboards()]
    for rule in tree.rules():
        faults += names(rule.get("alert") or rule["record"], rule["expr"], known, records)
    asked = list(tree.queries())
    for board, panel, expression in asked:
        faults += names(f"{board}, {panel}", expression, known, records)
    if faults:
        sys.exit("\n".join(faults))
    print(f"  {len(tree.alerts())} alerts, {len(records)} recorded figures, {len(asked)} queries of "
          f"{len(tree.dashboards())} dashboards; {len(known)} metrics known")


if __name__ == "__main__":
    main()
