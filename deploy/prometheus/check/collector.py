#!/usr/bin/env python3
"""Holds deploy/otel/collector.yaml against the rules of the collector's configuration: whatever a pipeline names is
defined and nothing else is, the order of processors is the one that protects memory, and each sampling policy has the
settings of its type. No registry that this project installs from carries a collector with tail sampling, so the real
`otelcol-contrib validate` is for whoever has its image: `deploy/otel/README.md` says how."""

import sys
from pathlib import Path

import yaml

FILE = Path(__file__).resolve().parent.parent.parent / "otel" / "collector.yaml"

# What each type of policy wants beside its name and type, after the processor's config.go.
POLICIES = {
    "always_sample": None,
    "latency": {"threshold_ms", "upper_threshold_ms"},
    "numeric_attribute": {"key", "min_value", "max_value", "invert_match"},
    "probabilistic": {"hash_salt", "sampling_percentage"},
    "status_code": {"status_codes"},
    "string_attribute": {"key", "values", "enabled_regex_matching", "cache_max_size", "invert_match"},
    "rate_limiting": {"spans_per_second"},
    "and": {"and_sub_policy"},
}
SETTINGS = {
    "memory_limiter": {"check_interval", "limit_mib", "spike_limit_mib", "limit_percentage", "spike_limit_percentage"},
    "batch": {"send_batch_size", "send_batch_max_size", "timeout", "metadata_keys", "metadata_cardinality_limit"},
    "tail_sampling": {"decision_wait", "num_traces", "expected_new_traces_per_sec", "decision_cache", "policies",
                      "sample_on_first_match"},
}


def policies(found, where="tail_sampling"):
    names = [policy["name"] for policy in found]
    if len(set(names)) < len(names):
        yield f"{where}: two policies have one name"
    for policy in found:
        kind = policy["type"]
        if kind not in POLICIES:
            yield f"{where}, {policy['name']}: there is no type {kind}"
            continue
        wanted = {"name", "type"} | ({kind} if POLICIES[kind] else set())
        if set(policy) != wanted:
            yield f"{where}, {policy['name']}: has {sorted(policy)}, wants {sorted(wanted)}"
        elif POLICIES[kind] and not set(policy[kind]) <= POLICIES[kind]:
            yield f"{where}, {policy['name']}: does not know {sorted(set(policy[kind]) - POLICIES[kind])}"
        elif kind == "status_code" and not set(policy[kind]["status_codes"]) <= {"OK", "ERROR", "UNSET"}:
            yield f"{where}, {policy['name']}: status codes are OK, ERROR and UNSET"
        elif kind == "and":
            yield from policies(policy["and"]["and_sub_policy"], f"{where}, {policy['name']}")


def faults(config):
    used = {kind: set() for kind in ("receivers", "processors", "exporters", "extensions")}
    used["extensions"] |= set(config["service"]["extensions"])
    for name, pipeline in config["service"]["pipelines"].items():
        for kind, members in pipeline.items():
            used[kind] |= set(members)
        order = [member.split("/")[0] for member in pipeline["processors"]]
        if order[0] != "memory_limiter" or order[-1] != "batch":
            yield f"{name}: the memory limiter comes first, the batch last"
    for kind, names in used.items():
        defined = set(config.get(kind) or {})
        if names != defined:
            yield f"{kind}: not both defined and used: {sorted(names ^ defined)}"
    for name, settings in config["processors"].items():
        known = SETTINGS.get(name.split("/")[0])
        if known is None or not set(settings) <= known:
            yield f"{name}: does not know {sorted(set(settings) - (known or set()))}"
    sampling = config["processors"]["tail_sampling"]
    yield from policies(sampling["policies"])
    if not {"status_code", "latency"} <= {policy["type"] for policy in sampling["policies"]}:
        yield "tail_sampling: errors and slow traces are kept"


def main():
    found = list(faults(yaml.safe_load(FILE.read_text())))
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
