#!/usr/bin/env python3
"""What the profile `observe` of docker-compose.yml adds: nothing listens beyond loopback, images are pinned, and no
password is a default one. Reads `docker compose config --format json` from standard input."""

import json
import re
import sys

WATCHERS = {"collector", "jaeger", "prometheus", "grafana"}


def faults(services):
    if missing := WATCHERS - services.keys():
        yield f"not in the profile: {', '.join(sorted(missing))}"
    for name, service in services.items():
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                yield f"{name}: {port['published']} listens beyond loopback"
    for name in sorted(WATCHERS & services.keys()):
        service = services[name]
        if not re.search(r":v?\d+\.\d+\.\d+$", service["image"]):
            yield f"{name}: {service['image']} is not pinned to a version"
        if service.get("profiles") != ["observe"]:
            yield f"{name}: starts without the profile"
        if service.get("cap_drop") != ["ALL"] or not service.get("read_only"):
            yield f"{name}: has rights that it needs not"
        for variable, value in (service.get("environment") or {}).items():
            if "PASSWORD" in variable and not variable.endswith("__FILE"):
                yield f"{name}: {variable} is not read from a file"
    endpoints = {name: services[name]["environment"].get("OTEL_EXPORTER_OTLP_ENDPOINT") for name in ("gateway", "user", "auth")}
    samplers = {services[name]["environment"].get("OTEL_TRACES_SAMPLER") for name in endpoints}
    if samplers != {"parentbased_always_on"}:
        yield f"the collector can keep errors and slow traces only when it gets all: {samplers}"
    if set(endpoints.values()) != {"http://collector:4317"}:
        yield f"traces go to {endpoints}"


if __name__ == "__main__":
    found = list(faults(json.load(sys.stdin)["services"]))
    if found:
        sys.exit("\n".join(found))
