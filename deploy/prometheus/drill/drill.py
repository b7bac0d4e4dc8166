#!/usr/bin/env python3
"""Makes each alert fire by its fault, and end with it: `drill.py [PART OF A FAULT'S NAME…]`. run.sh starts what it needs."""

import contextlib
import os
import sys
import time
from pathlib import Path

import yaml

sys.path.append(str(Path(__file__).resolve().parent.parent / "check"))

import faults
import system
import tree
from api import Prometheus

# How long an alert may take to end with its fault: windows of the shortened rules are 45 seconds at most.
ENDS_WITHIN = 90


class Jobs:
    """What Prometheus scrapes."""

    def __init__(self, prometheus, path):
        self.prometheus, self.path = prometheus, Path(path)

    @contextlib.contextmanager
    def without(self, job):
        before = self.path.read_text()
        config = yaml.safe_load(before)
        # The job stays, without targets: only then does Prometheus know that its series have ended.
        for scrape in config["scrape_configs"]:
            if scrape["job_name"] == job:
                scrape["static_configs"] = []
        self.path.write_text(yaml.safe_dump(config, sort_keys=False))
        self.prometheus.reload()
        try:
            yield
        finally:
            self.path.write_text(before)
            self.prometheus.reload()


def seen(prometheus, name, labels):
    """The alert, if it fires with these labels."""
    for alert in prometheus.firing().get(name, []):
        if labels.items() <= alert["labels"].items():
            return alert
    return None


def wait(what, within):
    began = time.monotonic()
    while time.monotonic() < began + within:
        if found := what():
            return found, time.monotonic() - began
        time.sleep(0.5)
    return None, within


def drill(world, fault):
    """Rows of what was seen, and what was not as it should be."""
    prometheus, rows, wrong = world.prometheus, [], []
    for name, labels in fault.alerts.items():
        calm, _ = wait(lambda: seen(prometheus, name, labels) is None, ENDS_WITHIN)
        if not calm and name not in fault.lingering:
            wrong.append(f"{name} fires before {fault.what}")
    began = time.monotonic()
    with fault.run(world):
        missing = dict(fault.alerts)
        while missing and time.monotonic() < began + fault.within:
            for name, labels in list(missing.items()):
                if alert := seen(prometheus, name, labels):
                    del missing[name]
                    rows.append((name, fault.what, time.monotonic() - began, alert["annotations"]["summary"]))
                    if "error expanding" in str(alert["annotations"]):
                        wrong.append(f"{name}: {alert['annotations']}")
            time.sleep(0.5)
        wrong += [f"{name} does not fire within {fault.within} s when {fault.what}" for name in missing]
        also = set(prometheus.firing()) - fault.alerts.keys()
    for name, labels in fault.alerts.items():
        if name in fault.lingering or any(name in text for text in wrong):
            continue
        over, _ = wait(lambda: seen(prometheus, name, labels) is None, ENDS_WITHIN)
        if not over:
            wrong.append(f"{name} still fires {ENDS_WITHIN} s after {fault.what} was over")
    return rows, wrong, also


def main():
    prometheus = Prometheus(os.environ["PROMETHEUS"])
    world = faults.World(prometheus, Jobs(prometheus, os.environ["PROMETHEUS_CONFIG"]))
    chosen = [it for it in faults.FAULTS if not sys.argv[1:] or any(part in it.what for part in sys.argv[1:])]
    wrong, fired = [], set()
    try:
        for fault in chosen:
            try:
                rows, bad, also = drill(world, fault)
            except Exception as error:
                rows, bad, also = [], [f"{fault.what}: {type(error).__name__}: {error}"], set()
            for name, what, after, summary in rows:
                fired.add(name)
                print(f"| {name} | {what} | {after:.0f} s | {summary} |", flush=True)
            for text in bad:
                print(f"  WRONG: {text}", flush=True)
            if also:
                print(f"  (beside them: {', '.join(sorted(also))})", flush=True)
            wrong += bad
    finally:
        system.end()
    if not sys.argv[1:]:
        wrong += [f"no fault fires {rule['alert']}" for rule in tree.alerts() if rule["alert"] not in fired]
    if wrong:
        sys.exit("\n".join(["", *wrong]))
    print(f"  {len(fired)} alerts fired by their faults and ended with them")


if __name__ == "__main__":
    main()
