#!/usr/bin/env python3
"""Reads what `docker compose config --format json` prints, and names whatever is open beyond loopback or without bounds."""

import json, re, sys


def faults_of(name, service):
    for port in service.get("ports", []):
        if port.get("host_ip") != "127.0.0.1":
            yield f"publishes {port.get('published')} on {port.get('host_ip', 'every address')}"
    if service.get("network_mode") == "host" or service.get("pid") == "host" or service.get("privileged"):
        yield "shares the network, the processes or the rights of the machine"
    for key, value in (service.get("environment") or {}).items():
        # A secret is read from a file that was made on this machine; a URL with a password in it is one too.
        secret = re.search(r"PASSWORD|SECRET|TOKEN|MASTER_KEY", key) and not key.endswith("_FILE")
        if value and (secret or re.search(r"://[^/@]*:[^/@]*@", value)):
            yield f"is given {key} as a value, not as a file"
    if not service.get("mem_limit") or not service.get("pids_limit"):
        yield "may take all memory or all processes of the machine"
    if not (service.get("logging") or {}).get("options", {}).get("max-size"):
        yield "may fill the disk with what it logs"
    for volume in service.get("volumes", []):
        if "docker.sock" in str(volume.get("source")):
            yield "reaches the engine"


config = json.load(sys.stdin)
faults = [f"{name} {fault}" for name, service in config["services"].items() for fault in faults_of(name, service)]
print("\n".join(faults), end="\n" if faults else "")
sys.exit(bool(faults))
