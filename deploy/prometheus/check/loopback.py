#!/usr/bin/env python3
"""Rewrites a scrape configuration for processes of this machine: `loopback.py CONFIG RULES OUT NAME=HOST:PORT…`.

Every target of CONFIG (`gateway:9090`) has to be given its place; what is not scraped here is left out with `NAME=`.
Scrapes and evaluates each second. RULES is the folder of the rules."""

import sys
from pathlib import Path

import yaml


def rewrite(config, rules, places):
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [f"{rules}/*.yml"]
    kept = []
    for scrape in config["scrape_configs"]:
        for static in scrape["static_configs"]:
            names = [target.rsplit(":", 1)[0] for target in static["targets"]]
            if missing := [name for name in names if name not in places]:
                sys.exit(f"where is {', '.join(missing)}? Say NAME=HOST:PORT, or NAME= to leave it out")
            static["targets"] = [places[name] for name in names if places[name]]
        if any(static["targets"] for static in scrape["static_configs"]):
            kept.append(scrape)
    config["scrape_configs"] = kept
    return config


def main():
    source, rules, out, *places = sys.argv[1:]
    places = dict(place.split("=", 1) for place in places)
    config = rewrite(yaml.safe_load(Path(source).read_text()), Path(rules).resolve(), places)
    Path(out).write_text(yaml.safe_dump(config, sort_keys=False))


if __name__ == "__main__":
    main()
