#!/usr/bin/env python3
"""Prints who may talk to whom, as rendered NetworkPolicies say it: `kubectl kustomize … | flows.py`.

One line per flow, `from | to | port`, in the form of the table in deploy/k8s/README.md. A flow between two
pods of Portico must be allowed on both sides; one that only one side allows is an error. And what pods need must be
allowed: names for each that is told a URL, the stores that it is told of, what a ServiceMonitor scrapes, and in a mesh
the kubelet's probes.
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


# By what a variable's name ends with, which port its pod must reach.
STORES = {"DATABASE_URL": 5432, "REDIS_URL": 6379}
# Whence the kubelet's probes come in an ambient mesh.
PROBES = "169.254.7.127/32"


class Pods:
    """The pods of a rendering, by component: labels, containers and their ports."""

    def __init__(self, objects):
        self.labels, self.containers, self.ports, self.told = {}, {}, {}, {}
        configs = {each["metadata"]["name"]: each.get("data", {}) for each in objects if each["kind"] == "ConfigMap"}
        for each in objects:
            spec = each.get("spec", {})
            template = each if each["kind"] == "Pod" else spec.get("jobTemplate", {}).get("spec", spec).get("template")
            if not template or "containers" not in template.get("spec", {}):
                continue
            component = template["metadata"]["labels"][COMPONENT]
            self.labels[component] = template["metadata"]["labels"]
            self.containers[component] = template["spec"]["containers"]
            self.told[component] = set()
            for container in template["spec"]["containers"]:
                for port in container.get("ports", []):
                    self.ports[component, port["name"]] = port["containerPort"]
                self.told[component] |= {each["name"] for each in container.get("env", [])}
                for source in container.get("envFrom", []):
                    self.told[component] |= configs.get(source["configMapRef"]["name"], {}).keys()

    def taken(self, selector):
        return [pod for pod, labels in self.labels.items() if selects(selector, labels)]


def needs(pods, objects, out, into):
    """What must be allowed and is not, of the pods that policies hold at all."""
    held = {"Egress": set(), "Ingress": set()}
    for policy in (each["spec"] for each in objects if each["kind"] == "NetworkPolicy"):
        for side in policy["policyTypes"]:
            held[side] |= set(pods.taken(policy["podSelector"]))
    for pod in sorted(held["Egress"]):
        told = {name.removesuffix("_FILE") for name in pods.told[pod]}
        if any(name == "GATEWAY" or name.endswith(("_URL", "_ENDPOINT")) for name in told):
            for protocol in ("UDP", "TCP"):
                if (pod, "kube-system", 53, protocol) not in out:
                    yield f"{pod} is told names and may not ask for them ({protocol})"
        for name, port in STORES.items():
            if any(each.endswith(name) for each in told) and not any(flow[0] == pod and flow[2] == port for flow in out):
                yield f"{pod} is told a {name} and may reach nothing on port {port}"
    for monitor in (each for each in objects if each["kind"] == "ServiceMonitor"):
        for pod in set(pods.taken(monitor["spec"]["selector"])) & held["Ingress"]:
            for port in (pods.ports[pod, endpoint["port"]] for endpoint in monitor["spec"]["endpoints"]):
                if not any(flow[1] == pod and flow[2] == port and flow[0] not in (*pods.labels, PROBES) for flow in into):
                    yield f"Prometheus may not scrape {pod}:{port}"
                if port not in plain(pods, objects, pod):
                    yield f"Prometheus, which is not of the mesh, may not scrape {pod}:{port}"
    if any(each["kind"] == "PeerAuthentication" for each in objects):
        for pod in sorted(held["Ingress"]):
            actions = [c.get(p, {}) for c in pods.containers[pod] for p in ("startupProbe", "livenessProbe", "readinessProbe")]
            for action in filter(None, (each.get("httpGet") or each.get("tcpSocket") for each in actions)):
                port = pods.ports.get((pod, action["port"]), action["port"])
                if (PROBES, pod, port, "TCP") not in into:
                    yield f"the mesh's probes may not reach {pod}:{port}"


def plain(pods, objects, pod):
    """The ports of a pod that take what is not of the mesh; without a mesh, all of them."""
    every = {number for (owner, _), number in pods.ports.items() if owner == pod}
    peers = [each["spec"] for each in objects if each["kind"] == "PeerAuthentication"]
    own = [each for each in peers if "selector" in each and selects(each["selector"], pods.labels[pod])]
    if not own and not any(each["mtls"]["mode"] == "STRICT" for each in peers if "selector" not in each):
        return every
    return {int(port) for each in own for port, mode in each.get("portLevelMtls", {}).items() if mode["mode"] == "PERMISSIVE"}


def main():
    objects = [each for each in yaml.safe_load_all(sys.stdin) if each]
    pods = Pods(objects)
    out, into = set(), set()
    policies = [each for each in objects if each["kind"] == "NetworkPolicy"]
    for policy in policies:
        spec = policy["spec"]
        for pod in pods.taken(spec["podSelector"]):
            # Every port is written as a number.
            for peer, port, protocol in peers(spec.get("egress"), "to", pods.labels):
                out.add((pod, peer, pods.ports.get((peer, port), port), protocol))
            for peer, port, protocol in peers(spec.get("ingress"), "from", pods.labels):
                into.add((peer, pod, pods.ports.get((pod, port), port), protocol))

    faults = ["the policies allow nothing: they select no pod"] if policies and not out | into else []
    for flow in sorted(out ^ into, key=str):
        within = flow[0] in pods.labels and flow[1] in pods.labels
        if within:
            faults.append(f"only one side allows {flow[0]} -> {flow[1]}:{flow[2]}")
    faults += needs(pods, objects, out, into)
    for source, target, port, protocol in sorted(out | into, key=str):
        print(f"{source} | {target} | {port}/{protocol}")
    if faults:
        raise SystemExit("\n".join(faults))


main()
