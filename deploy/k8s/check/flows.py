#!/usr/bin/env python3
"""Prints who may talk to whom, as rendered NetworkPolicies say it: `kubectl kustomize … | flows.py`.

One line per flow, `from | to | port`, in the form of the table in deploy/k8s/README.md. A flow between two
pods of Portico must be allowed on both sides; one that only one side allows is an error.
"""

import sys

import yaml

COMPONENT = "app.kubernetes.io/component"


def selects(selector, labels):
    """Whether a label selector takes a pod with these labels."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions") or []:
        if term["operator"] != "In":
            raise SystemExit(f"an operator that this check does not know: {term}")
        if labels.get(term["key"]) not in term["values"]:
            return False
    return True


def peers(rules, key, pods):
    """The (peer, port) pairs that the rules of one side allow."""
    for rule in rules or []:
        for peer in rule.get(key) or [None]:
            for port in rule["ports"]:
                for name in names(peer, pods):
                    yield name, port["port"], port.get("protocol", "TCP")


def names(peer, pods):
    if peer is None:
        return ["anywhere"]
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return [" but ".join([block["cidr"], *([", ".join(block["except"])] if "except" in block else [])])]
    space = (peer.get("namespaceSelector") or {}).get("matchLabels")
    if space:
        return [space["kubernetes.io/metadata.name"]]
    return [pod for pod, labels in pods.items() if selects(peer["podSelector"], labels)]


def main():
    objects = [each for each in yaml.safe_load_all(sys.stdin) if each]
    # Pods' labels by component, and containers' ports by name, to write every port as a number.
    ports, pods = {}, {}
    for each in objects:
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if not template or "containers" not in template.get("spec", {}):
            continue
        component = template["metadata"]["labels"][COMPONENT]
        pods[component] = template["metadata"]["labels"]
        for container in template["spec"]["containers"]:
            for port in container.get("ports", []):
                ports[component, port["name"]] = port["containerPort"]

    out, into = set(), set()
    policies = [each for each in objects if each["kind"] == "NetworkPolicy"]
    for policy in policies:
        spec = policy["spec"]
        for pod in (pod for pod, labels in pods.items() if selects(spec["podSelector"], labels)):
            for peer, port, protocol in peers(spec.get("egress"), "to", pods):
                out.add((pod, peer, ports.get((peer, port), port), protocol))
            for peer, port, protocol in peers(spec.get("ingress"), "from", pods):
                into.add((peer, pod, ports.get((pod, port), port), protocol))

    faults = ["the policies allow nothing: they select no pod"] if policies and not out | into else []
    for flow in sorted(out ^ into, key=str):
        within = flow[0] in pods and flow[1] in pods
        if within:
            faults.append(f"only one side allows {flow[0]} -> {flow[1]}:{flow[2]}")
    for source, target, port, protocol in sorted(out | into, key=str):
        print(f"{source} | {target} | {port}/{protocol}")
    if faults:
        raise SystemExit("\n".join(faults))


main()
