#!/usr/bin/env python3
"""Compares what the chart and a Kustomize overlay render: `equal.py CHART.yaml OVERLAY.yaml`.

Left out, since only one of the two has them: the namespace with its quota and limits and the priority class, which an
overlay brings and a release finds; what `helm test` runs; the labels and annotations that name the tool; the instance's
label in selectors; what tells one release's migration Job from another's, and how long it stays when it is done (Helm
removes the one before, Kustomize removes nothing); and the values of secrets, which a trial makes at random.
"""

import difflib
import json
import re
import sys

import yaml

ALONE = {"Namespace", "ResourceQuota", "LimitRange", "PriorityClass"}
TOOLS = {"app.kubernetes.io/managed-by", "helm.sh/chart", "app.kubernetes.io/instance", "checksum/config", "helm.sh/resource-policy"}
# Lists whose order says nothing.
NAMED = {"env", "volumes", "volumeMounts"}
# How a component is called in policies and secrets that concern several: only the overlay names one there.
LOOSE = {"NetworkPolicy", "Secret", "ExternalSecret", "Ingress", "Certificate", "Issuer", "PrometheusRule"}


def plain(value):
    """The value without what differs by tool; lists of rules in one order; quantities as text."""
    if isinstance(value, dict):
        kept = {k: plain(v) for k, v in value.items() if k not in TOOLS}
        for names in NAMED & kept.keys():
            kept[names] = sorted(kept[names], key=lambda each: each["name"] + each.get("mountPath", ""))
        return {k: v for k, v in kept.items() if v not in ({}, None)}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def normal(path):
    with open(path, encoding="utf-8") as file:
        objects = [each for each in yaml.safe_load_all(file) if each]
    out = {}
    for each in objects:
        kind, meta = each["kind"], each["metadata"]
        if kind in ALONE or "helm.sh/hook" in meta.get("annotations", {}):
            continue
        meta.pop("namespace", None)
        if kind == "Job":
            meta["name"] = re.sub(r"-migrate-[0-9a-f-]+$", "-migrate", meta["name"])
            each["spec"].pop("ttlSecondsAfterFinished", None)
        if kind == "Secret":
            keys = sorted({**each.pop("data", {}), **each.pop("stringData", {})})
            each["keys"] = [key for key in keys if not (meta["name"] == "portico-redis" and key == "password")]
            each.setdefault("type", "Opaque")
        if kind in LOOSE:
            meta.pop("labels", None)
        each = plain(each)
        for rule in (r for g in each["spec"]["groups"] for r in g["rules"]) if kind == "PrometheusRule" else []:
            # Kustomize breaks long lines elsewhere, and a query does not mind.
            rule["expr"] = " ".join(rule["expr"].split())
        pod = each.get("spec", {}).get("template", {}).get("metadata", {})
        # Kustomize does not put it on pods.
        pod.get("labels", {}).pop("app.kubernetes.io/part-of", None)
        for policy in [each] if kind == "NetworkPolicy" else []:
            # Which pods the default covers: the namespace's, or the release's.
            if meta["name"] == "portico-default":
                policy["spec"].pop("podSelector", None)
            policy["spec"].setdefault("ingress", [])
            for side in ("ingress", "egress"):
                policy["spec"][side] = sorted(policy["spec"].get(side, []), key=lambda rule: json.dumps(rule, sort_keys=True))
        out[f"{kind}/{meta['name']}"] = json.dumps(each, indent=1, sort_keys=True)
    return out


def main():
    chart, overlay = (normal(path) for path in sys.argv[1:3])
    faults = 0
    for name in sorted(chart.keys() | overlay.keys()):
        if name not in chart or name not in overlay:
            print(f"only in the {'overlay' if name not in chart else 'chart'}: {name}")
            faults += 1
        elif chart[name] != overlay[name]:
            lines = difflib.unified_diff(chart[name].splitlines(), overlay[name].splitlines(), "chart", "overlay", lineterm="", n=2)
            print(name, *lines, sep="\n")
            faults += 1
    sys.exit(1 if faults else 0)


main()
