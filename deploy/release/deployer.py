#!/usr/bin/env python3
"""A deliverer may do what the chart asks for, and nothing beside it: `deployer.py ROLE CHART`.

Renders the chart with its defaults and each of its ci/*-values.yaml. Each kind of object that comes out must be one that
the Role lets a deliverer make, change and take away; whatever the Role lets it change must be one of those. Run it with a
Python that has a YAML parser; needs helm, and terraform's variable that names the group beside it.
"""

import pathlib
import subprocess
import sys

import yaml

WRITE = {"create", "update", "patch", "delete"}
# What helm needs besides: to watch what it waits for.
READ = {"get", "list", "watch"}
# A way to the gateway, for the journeys; and alerts, which come with the chart or beside it.
OTHERS = {("", "pods/portforward"), ("monitoring.coreos.com", "prometheusrules")}
GROUP = pathlib.Path(__file__).resolve().parents[1] / "terraform/modules/delivery/variables.tf"


def plural(kind):
    name = kind.lower()
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith("s") else "s")


def rendered(chart):
    for values in [chart / "values.yaml", *sorted(chart.glob("ci/*-values.yaml"))]:
        command = ["helm", "template", "portico", chart, "--namespace", "portico", "--values", values]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for item in yaml.safe_load_all(said):
            if item:
                group = item["apiVersion"].rpartition("/")[0]
                yield group, plural(item["kind"])


def faults(role, chart):
    documents = {document["kind"]: document for document in yaml.safe_load_all(role.read_text(encoding="utf-8"))}
    granted = {}
    for rule in documents["Role"]["rules"]:
        if "*" in rule["apiGroups"] + rule["resources"] + rule["verbs"]:
            yield "the Role grants everything of a kind"
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                granted.setdefault((group, resource), set()).update(rule["verbs"])
    wanted = set(rendered(chart))
    if not wanted:
        yield f"{chart} makes nothing"
    for group, resource in sorted(wanted):
        if lacking := (WRITE | READ) - granted.get((group, resource), set()):
            yield f"{resource}.{group}: the chart makes them, and a deliverer may not {', '.join(sorted(lacking))}"
    for (group, resource), verbs in sorted(granted.items()):
        if verbs & WRITE and (group, resource) not in wanted | OTHERS:
            yield f"{resource}.{group}: a deliverer may change them, and the chart makes none"
    binding = documents["RoleBinding"]
    if binding["roleRef"] != {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": documents["Role"]["metadata"]["name"]}:
        yield "the binding names another role"
    for subject in binding["subjects"]:
        if subject["kind"] != "Group" or f'default     = "{subject["name"]}"' not in GROUP.read_text(encoding="utf-8"):
            yield f"{subject['name']}: not the group that Terraform puts a deliverer into"
    print(f"{len(wanted)} kinds of objects in the chart", end=", ")


def main(role, chart):
    found = list(faults(pathlib.Path(role), pathlib.Path(chart)))
    print(f"{len(found)} faults in {role}")
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.exit(main(*sys.argv[1:]))
