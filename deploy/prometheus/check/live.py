#!/usr/bin/env python3
"""Asks a running Prometheus every query of every dashboard and every rule: `live.py URL`. Each answers something, or
stands in empty.yml. Alerts answer nothing while all is well, so what they read is asked for instead."""

import re
import sys
from pathlib import Path

import promql
import tree
import yaml
from api import Prometheus

# What Grafana fills in.
VARIABLES = {"$__rate_interval": "15s", "$instance": ".*"}
LOOK_BACK = 60


def filled(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    if left := re.search(r"\$\w+", expression):
        raise RuntimeError(f"nobody fills in {left.group()}")
    return expression


def panels(prometheus, empty):
    for board, panel, expression in tree.queries():
        where = f"{board}, {panel}"
        try:
            answered = prometheus.over(filled(expression), LOOK_BACK)
        except RuntimeError as error:
            yield f"{where}: {error}"
            continue
        excused = where in empty["queries"] or promql.metrics(expression) & empty["metrics"].keys()
        if not answered and not excused:
            yield f"{where}: nothing for {expression}"


def variables(prometheus):
    for board, dashboard in tree.dashboards().items():
        for variable in dashboard["templating"]["list"]:
            series = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            if not series or not prometheus.instant(f"count by ({series[2]}) ({series[1]})"):
                yield f"{board}: the variable {variable['name']} has no values"


def rules(prometheus, empty):
    evaluated = prometheus.rules()
    if len(evaluated) != len(list(tree.rules())):
        yield f"{len(evaluated)} rules are loaded, {len(list(tree.rules()))} are in the tree"
    for rule in evaluated:
        if rule["health"] != "ok":
            yield f"{rule['name']}: {rule.get('lastError', rule['health'])}"
        for metric in sorted(promql.metrics(rule["query"])):
            if metric not in empty["metrics"] and not prometheus.instant(f"count({metric})"):
                yield f"{rule['name']}: there is no {metric}"
        if rule["type"] == "alerting" and rule["state"] == "firing" and rule["name"] not in empty["fires"]:
            yield f"{rule['name']} fires though all is well: {rule['alerts'][0]['annotations']['summary']}"
    for name in empty["fires"]:
        if not any(rule["name"] == name and rule.get("state") == "firing" for rule in evaluated):
            yield f"{name} does not fire, and the journeys give it reason to"


def main():
    prometheus = Prometheus(sys.argv[1])
    empty = yaml.safe_load((Path(__file__).parent / "empty.yml").read_text())
    known = {f"{board}, {panel}" for board, panel, _ in tree.queries()}
    faults = [f"empty.yml: there is no {query}" for query in empty["queries"] if query not in known]
    faults += [f"empty.yml: there is no {metric}" for metric in empty["metrics"] if metric not in tree.metrics()]
    faults += [*variables(prometheus), *panels(prometheus, empty), *rules(prometheus, empty)]
    if faults:
        sys.exit("\n".join(faults))
    print(f"  {len(list(tree.queries()))} queries and {len(prometheus.rules())} rules answer as they should")


if __name__ == "__main__":
    main()
