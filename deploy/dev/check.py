"""Evaluates the Tiltfile as Tilt does, for each way to start it: see check.sh."""

import pathlib, sys

import starlark
from tilt import MANUAL, Tilt, Wrong

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Tiltfile").read_text()
SERVICES = {"gateway", "user", "auth"}
STORES = {"postgres-user", "postgres-auth", "redis"}
OBSERVERS = {"collector", "jaeger", "prometheus", "grafana"}
BUTTONS = {"migrate", "seed", "test", "load"}
# Names that local clusters bear, besides kind-… and k3d-….
LOCAL = {"portico", "rancher-desktop", "orbstack", "colima"}
WAYS = [
    {}, {"observe": True}, {"resources": ["user", "gateway"]}, {"compose": True}, {"compose": True, "observe": True, "mail": True}
]
# What stands together in Tilt.
LABELS = {"stores": STORES, "observe": OBSERVERS, "services": SERVICES - {"gateway"}, "edge": {"gateway"}, "actions": BUTTONS}

# What must be refused, and why, so that this check is known to be able to fail.
MISTAKES = {
    "an argument that Tilt does not have": ("port_forwards=", "port_forward=", "unexpected keyword argument"),
    "an observer that the manifests do not have": ("'jaeger': [", "'yaeger': [", "is named"),
    "a function that Tilt does not have": ("port_forward(", "forward_port(", "`forward_port` not found"),
    "a workload that is not in the manifests": (
        "'portico-' + name, new_name=name", "'portico_' + name, new_name=name", "no workload is named portico_"
    ),
    "a service that compose does not have": ("dc_resource('secrets'", "dc_resource('secret'", "no service is named"),
    "a resource named twice": ("button('seed'", "button('test'", "two resources are named test"),
    "a script that is not there": ("deploy/dev/act.sh", "deploy/dev/acts.sh", "acts.sh does not exist"),
    "a folder that is not there": ("deploy/k8s/overlays/dev", "deploy/k8s/overlays/development", "does not exist"),
    "a dependency that is no resource": ("['compile', 'redis']", "['compiled', 'redis']", "which is no resource"),
    "an image that nothing runs": (
        "        'portico-' + service,\n        folder", "        service,\n        folder", "nothing runs the image"
    ),
    "a string that Tilt's Starlark does not know": ("'target/tilt/' + service", "f'target/tilt/{service}'", "f-string"),
}


def evaluate(text, subcommand="up", arguments={}):
    tilt = Tilt(ROOT, subcommand, arguments)
    tilt.evaluate(text)
    return tilt


def expect(holds, what):
    if not holds:
        raise Wrong(what)


def holds(arguments):
    for subcommand in ("up", "ci", "down", "alpha tiltfile-result"):
        tilt = evaluate(TEXT, subcommand, arguments)
        names = set(tilt.resources)
        wanted = SERVICES | STORES | OBSERVERS | BUTTONS
        expect(wanted <= names, f"missing: {wanted - names}")
        for label, members in LABELS.items():
            for name in members:
                expect(tilt.resources[name]["labels"] == [label], f"{name} is not among {label}")
        for name in OBSERVERS:
            expect(tilt.resources[name]["auto_init"] == arguments.get("observe", False), f"{name}: auto_init")
        unlabelled = [name for name, resource in tilt.resources.items() if not resource["labels"]]
        expect(not unlabelled, f"without a label: {unlabelled}")
        for name in BUTTONS:
            button = tilt.resources[name]
            by_itself = name == "test" and subcommand == "ci"
            expect(button["trigger_mode"] == MANUAL, f"{name} is triggered by changes")
            expect(button["auto_init"] == by_itself, f"{name} in tilt {subcommand}: auto_init {button['auto_init']}")
            expect(SERVICES <= set(button["deps"]), f"{name} does not wait for the services")
        local = all(name.startswith(("kind-", "k3d-")) or name in LOCAL for name in tilt.contexts)
        expect(local, f"allowed contexts that are not known to be local: {tilt.contexts}")
        yield f"tilt {subcommand} {' '.join(f'--{name}' for name in arguments)}: {len(names)} resources"


def main():
    passed = failed = 0
    for arguments in WAYS:
        try:
            for line in holds(arguments):
                print(f"  {line}")
                passed += 1
        except (Wrong, starlark.StarlarkError) as error:
            print(f"  FAILED {arguments}: {error}")
            failed += 1
    for mistake, (right, wrong, why) in MISTAKES.items():
        said = "it is not refused"
        try:
            for arguments in ({}, {"compose": True}):
                evaluate(TEXT.replace(right, wrong), "up", arguments)
        except (Wrong, starlark.StarlarkError) as error:
            said = str(error)
        if right in TEXT and why in said:
            print(f"  refused: {mistake}")
            passed += 1
        else:
            print(f"  FAILED: {mistake} ({right!r} → {wrong!r}): {said}")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
