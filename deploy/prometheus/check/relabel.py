#!/usr/bin/env python3
"""What kubernetes.yml makes of pods, without a cluster: `relabel.py OUT PORT` writes the same relabelling over targets
that carry the labels which discovery would give them, `relabel.py --ask URL` holds what Prometheus made of them against
what rules and dashboards expect. (Debian's Prometheus is built without discovery in Kubernetes.)"""

import sys
import time
from pathlib import Path

import yaml
from api import Prometheus

META = "__meta_kubernetes_"


def pod(port, name, component, container_port="ops", app="portico", phase="Running"):
    labels = {
        "pod_label_app_kubernetes_io_name": app,
        "pod_label_app_kubernetes_io_component": component,
        "pod_container_port_name": container_port,
        "pod_phase": phase,
        "pod_name": name,
        "namespace": "portico",
        "pod_node_name": "node-1",
    }
    return {"targets": [f"127.0.0.1:{port}"], "labels": {META + key: value for key, value in labels.items()}}


def write(out, port):
    config = yaml.safe_load((Path(__file__).parent.parent / "kubernetes.yml").read_text())
    config["rule_files"] = []
    (scrape,) = config["scrape_configs"]
    del scrape["kubernetes_sd_configs"]
    scrape["static_configs"] = [
        pod(port, "gateway-1", "gateway"),
        pod(port, "gateway-2", "gateway"),
        pod(port, "gateway-1", "gateway", container_port="http"),
        pod(port, "auth-1", "auth"),
        pod(port, "auth-migrate-1", "auth", phase="Succeeded"),
        pod(port, "redis-1", "redis", app="redis"),
    ]
    Path(out).write_text(yaml.safe_dump(config, sort_keys=False))


def targets(url):
    return sorted(
        (target["labels"]["job"], target["labels"]["instance"], target["labels"]["namespace"])
        for target in Prometheus(url).get("targets")["activeTargets"]
    )


def ask(url):
    expected = [
        ("portico-auth", "auth-1", "portico"),
        ("portico-gateway", "gateway-1", "portico"),
        ("portico-gateway", "gateway-2", "portico"),
    ]
    # Prometheus takes some seconds to know its targets.
    for _ in range(60):
        found = targets(url)
        if found:
            break
        time.sleep(0.5)
    if found != expected:
        sys.exit(f"kubernetes.yml makes {found} of the pods, not {expected}")


if __name__ == "__main__":
    if sys.argv[1] == "--ask":
        ask(sys.argv[2])
    else:
        write(*sys.argv[1:])
