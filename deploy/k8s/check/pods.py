#!/usr/bin/env python3
"""Holds rendered manifests against each other: `pods.py FILE…`, each file one rendering.

Pods keep to Pod Security's `restricted`, with a read-only root and bounds on what they take; probes and
services name ports that exist; selectors select the pods of their own template and nothing else's.
"""

import sys

import yaml


def pods(objects):
    for each in objects:
        template = each.get("spec", {}).get("template")
        if template:
            yield each, template["metadata"]["labels"], template["spec"]


def faults(objects):
    for owner, labels, spec in pods(objects):
        who = f"{owner['kind']}/{owner['metadata']['name']}"
        selector = (owner["spec"].get("selector") or {}).get("matchLabels")
        if owner["kind"] != "Job" and not (selector and selector.items() <= labels.items()):
            yield f"{who}: its selector does not select its own pods"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{who}: mounts a service account's token"
        pod = spec.get("securityContext", {})
        if pod.get("runAsNonRoot") is not True or pod.get("runAsUser", 0) == 0:
            yield f"{who}: may run as root"
        if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{who}: no seccomp profile"
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates", [])}
        for container in spec["containers"] + spec.get("initContainers", []):
            yield from container_faults(f"{who}/{container['name']}", container, volumes)
        drain = container["lifecycle"]["preStop"]["sleep"]["seconds"] + 12 if "lifecycle" in container else 0
        if spec.get("terminationGracePeriodSeconds", 30) <= drain:
            yield f"{who}: is killed before it has drained"
    yield from service_faults(objects)


def container_faults(who, container, volumes):
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{who}: may gain privileges"
    if context.get("capabilities", {}).get("drop") != ["ALL"]:
        yield f"{who}: keeps capabilities"
    if context.get("readOnlyRootFilesystem") is not True:
        yield f"{who}: can write to its root"
    resources = container.get("resources", {})
    for bound in ("requests", "limits"):
        if set(resources.get(bound, {})) < {"cpu", "memory"}:
            yield f"{who}: no {bound}"
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            yield f"{who}: mounts {mount['name']}, which is no volume"
    ports = {port["name"] for port in container.get("ports", [])}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        handler = container.get(probe)
        if handler is None:
            if ports:
                yield f"{who}: no {probe}"
            continue
        action = handler.get("httpGet") or handler.get("tcpSocket")
        if action and action["port"] not in ports:
            yield f"{who}: {probe} asks {action['port']}, which is no port"


def service_faults(objects):
    for service in (each for each in objects if each["kind"] == "Service"):
        who = f"Service/{service['metadata']['name']}"
        behind = [s for _, labels, s in pods(objects) if service["spec"]["selector"].items() <= labels.items()]
        if len(behind) != 1:
            yield f"{who}: selects the pods of {len(behind)} owners"
            continue
        ports = {port["name"] for container in behind[0]["containers"] for port in container.get("ports", [])}
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in ports:
                yield f"{who}: {port['targetPort']} is no port of its pods"
    names = {each["metadata"]["name"] for each in objects if each["kind"] in ("Deployment", "StatefulSet")}
    for scaler in (each for each in objects if each["kind"] == "HorizontalPodAutoscaler"):
        if scaler["spec"]["scaleTargetRef"]["name"] not in names:
            yield f"HorizontalPodAutoscaler/{scaler['metadata']['name']}: scales nothing"


def main():
    found = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            objects = [each for each in yaml.safe_load_all(file) if each]
        for fault in faults(objects):
            print(f"{path.rsplit('/', 1)[-1]}: {fault}")
            found += 1
    sys.exit(1 if found else 0)


main()
