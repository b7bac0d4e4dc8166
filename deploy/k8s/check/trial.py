#!/usr/bin/env python3
"""Holds what is tried on a bare cluster of one node against that: `trial.py FILE…`, each file one rendering.

It needs no kind that a cluster does not know by itself, and makes nothing that belongs to the whole cluster but its own
namespace, so that two of them go beside each other. What was built on this machine is not asked of a registry. Volumes take
the cluster's own class. All of them together leave half of two cores to what a cluster runs by itself.
"""

import sys

import yaml

OWN = ("v1", "apps/v1", "autoscaling/v2", "batch/v1", "networking.k8s.io/v1", "policy/v1")
OF_THE_CLUSTER = {"PriorityClass", "ClusterRole", "ClusterRoleBinding", "StorageClass", "PersistentVolume", "IngressClass"}
# Millicores and MiB that may be asked for.
CPU, MEMORY = 1000, 2048


def millicores(text):
    return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)


def mebibytes(text):
    return int(text[:-2]) * {"Mi": 1, "Gi": 1024}[text[-2:]]


def faults(objects, sums):
    least = {each["spec"]["scaleTargetRef"]["name"]: each["spec"]["minReplicas"] for each in objects if each["kind"] == "HorizontalPodAutoscaler"}
    for each in objects:
        who = f"{each['kind']}/{each['metadata']['name']}"
        if each["apiVersion"] not in OWN or each["kind"] in OF_THE_CLUSTER:
            yield f"{who}: is not there on every cluster, or is everybody's"
        for claim in each.get("spec", {}).get("volumeClaimTemplates", []):
            if "storageClassName" in claim["spec"]:
                yield f"{who}: wants a class of volumes"
        template = each if each["kind"] == "Pod" else each.get("spec", {}).get("template")
        if not template or "containers" not in template.get("spec", {}):
            continue
        for container in template["spec"]["containers"]:
            requests, replicas = container["resources"]["requests"], least.get(each["metadata"]["name"], 1)
            sums[0] += replicas * millicores(requests["cpu"])
            sums[1] += replicas * mebibytes(requests["memory"])
            image = container["image"]
            if image.startswith("portico-") and (not image.endswith(":latest") or container["imagePullPolicy"] == "Always"):
                yield f"{who}: {image} is not what was built on this machine"
            if image.endswith(":latest") and not image.startswith("portico-"):
                yield f"{who}: {image} is another one tomorrow"


def main(paths):
    found, sums = [], [0, 0]
    for path in paths:
        with open(path, encoding="utf-8") as file:
            found += [f"{path}: {fault}" for fault in faults([each for each in yaml.safe_load_all(file) if each], sums)]
    if sums[0] > CPU or sums[1] > MEMORY:
        found.append(f"they ask for {sums[0]} m of CPU and {sums[1]} Mi, of {CPU} m and {MEMORY} Mi")
    print("\n".join(found) or f"{len(paths)} trials ask for {sums[0]} m of CPU and {sums[1]} Mi, and for nothing that is not there")
    return bool(found)


if len(sys.argv) < 2:
    sys.exit(__doc__)
sys.exit(main(sys.argv[1:]))
