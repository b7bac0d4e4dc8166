"""Stand-ins for the built-ins of Tilt that the Tiltfile uses: each takes the arguments that Tilt's API names and no
others, and says no where Tilt would. They record what Tilt would do and start nothing."""

import json, os, pathlib, re, subprocess

import starlark
import yaml

WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "ReplicaSet"}
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
AUTO, MANUAL = "TRIGGER_MODE_AUTO", "TRIGGER_MODE_MANUAL"


class Wrong(Exception):
    """What Tilt would refuse, or what would not work."""


class Tilt:
    """One evaluation of a Tiltfile."""

    def __init__(self, root, subcommand, arguments):
        self.root, self.subcommand, self.arguments = pathlib.Path(root), subcommand, arguments
        self.resources, self.images, self.environment, self.contexts = {}, {}, {}, []
        self.services, self.workloads, self.defined, self.steps, self.local_ports = {}, {}, set(), {}, set()
        self.orchestrator, self.enabled = None, []

    def evaluate(self, text):
        dialect = starlark.Dialect.extended()
        # Tilt's Starlark knows neither of these.
        dialect.enable_f_strings = False
        dialect.enable_types = starlark.DialectTypes.DISABLE
        module = starlark.Module()
        module["TRIGGER_MODE_AUTO"], module["TRIGGER_MODE_MANUAL"] = AUTO, MANUAL
        for name in dir(self):
            if name.startswith("t_"):
                module.add_callable(name.removeprefix("t_"), getattr(self, name))
        functions = Tilt.__dict__
        config = {n.removeprefix("t__config_"): n[2:] for n in functions if n.startswith("t__config_")}
        environment = {n.removeprefix("t__os_"): n[2:] for n in functions if n.startswith("t__os_")}
        struct = lambda pairs: ", ".join(f"{name}={value}" for name, value in pairs.items())
        prelude = f"config = struct({struct(config)}, tilt_subcommand={json.dumps(self.subcommand)})\n"
        prelude += f"os = struct({struct(environment)})\n"
        extended = starlark.Globals.extended_by([starlark.LibraryExtension.StructType, starlark.LibraryExtension.Print])
        starlark.eval(module, starlark.parse("prelude", prelude, dialect), extended)
        starlark.eval(module, starlark.parse("Tiltfile", text, dialect), extended)
        self.finish()

    def finish(self):
        if unknown := [name for name in self.enabled if name not in self.resources]:
            raise Wrong(f"no resource is named {', '.join(unknown)}")
        for name, resource in self.resources.items():
            for other in resource["deps"]:
                if other not in self.resources:
                    raise Wrong(f"{name} waits for {other}, which is no resource")
        done, under_way = set(), []

        def visit(name):
            if name in under_way:
                raise Wrong(f"resources wait for each other: {' → '.join([*under_way, name])}")
            if name not in done:
                under_way.append(name)
                for other in self.resources[name]["deps"]:
                    visit(other)
                done.add(under_way.pop())

        for name in self.resources:
            visit(name)
        used = {image for service in self.services.values() for image in [service.get("image", "")]}
        used |= {image for workload in self.workloads.values() for image in workload["images"]}
        used = {image.split(":")[0] for image in used}
        for image in self.images:
            if image not in used:
                raise Wrong(f"docker_build: nothing runs the image {image}")
        if left := [step for step, consumed in self.steps.items() if not consumed]:
            raise Wrong(f"steps of a live update that no image has: {left}")

    # -- what is checked everywhere

    def path(self, path, what, made_later=False):
        full = self.root / path
        if not full.exists() and not (made_later and path.startswith("target/")):
            raise Wrong(f"{what}: {path} does not exist")
        return full

    def command(self, command, what):
        """A command's own file, if it is one of this tree, must be there and run."""
        program = command.split()[0] if isinstance(command, str) else command[0]
        if "/" in program and not os.access(self.path(program, what), os.X_OK):
            raise Wrong(f"{what}: {program} cannot be executed")

    def resource(self, name, labels=(), resource_deps=(), trigger_mode=AUTO, auto_init=True):
        if name in self.resources:
            raise Wrong(f"two resources are named {name}")
        self.resources[name] = {"deps": []}
        self.configure(name, labels, resource_deps, trigger_mode, auto_init)

    def configure(self, name, labels, resource_deps, trigger_mode, auto_init):
        labels = [labels] if isinstance(labels, str) else labels
        if wrong := [label for label in labels if not LABEL.fullmatch(label)]:
            raise Wrong(f"{name}: {wrong} are no labels")
        if trigger_mode not in (AUTO, MANUAL):
            raise Wrong(f"{name}: {trigger_mode} is no trigger mode")
        resource = self.resources[name]
        resource.update(labels=list(labels), trigger_mode=trigger_mode, auto_init=auto_init)
        resource["deps"] += [other for other in resource_deps if other not in resource["deps"]]

    # -- settings and the machine

    def t__config_define_bool(self, name, args=False, usage=""):
        self.defined.add(name)

    def t__config_define_string_list(self, name, args=False, usage=""):
        self.defined.add(name)

    def t__config_set_enabled_resources(self, resources):
        self.enabled = list(resources)

    def t__config_parse(self):
        if unknown := set(self.arguments) - self.defined:
            raise Wrong(f"unknown flags: {unknown}")
        return dict(self.arguments)

    def t__os_putenv(self, key, value):
        self.environment[key] = value

    def t__os_getenv(self, key, default=None):
        return self.environment.get(key, default)

    def t_local(self, command, quiet=False, command_bat="", echo_off=False, env={}, dir="", stdin=None):
        self.command(command, "local")
        return {"blob": ""}

    def t_fail(self, msg):
        raise Wrong(msg)

    # -- images

    def t_sync(self, local_path, remote_path):
        if not remote_path.startswith("/"):
            raise Wrong(f"sync: {remote_path} is not absolute")
        step = f"sync {local_path} → {remote_path}"
        self.steps[step] = False
        return {"step": step, "from": local_path}

    def t_docker_build(self, ref, context, build_args={}, dockerfile="Dockerfile", dockerfile_contents="",
                       live_update=[], match_in_env_vars=False, ignore=[], only=[], entrypoint=[], target="", ssh="",
                       network="", secret="", extra_tag="", container_args=None, cache_from=[], pull=False,
                       platform="", extra_hosts=[]):
        if ref in self.images:
            raise Wrong(f"docker_build: the image {ref} is built twice")
        self.path(context, f"docker_build of {ref}", made_later=True)
        file = self.path(dockerfile, f"docker_build of {ref}").read_text()
        if target and not re.search(rf"^FROM .* AS {target}$", file, re.M):
            raise Wrong(f"docker_build of {ref}: {dockerfile} has no target {target}")
        if unknown := [name for name in build_args if not re.search(rf"^ARG (\w+\s+)*{name}\b", file, re.M)]:
            raise Wrong(f"docker_build of {ref}: {dockerfile} takes no {unknown}")
        for step in live_update:
            if not (step["from"] + "/").startswith(context.rstrip("/") + "/"):
                raise Wrong(f"docker_build of {ref}: {step['from']} is not below {context}, so it is not watched")
            self.steps[step["step"]] = True
        self.images[ref] = context

    # -- resources

    def t_link(self, url, name=None):
        return {"link": url}

    def t_local_resource(self, name, cmd="", deps=None, trigger_mode=AUTO, resource_deps=[], ignore=[], auto_init=True,
                         serve_cmd="", cmd_bat="", serve_cmd_bat="", allow_parallel=False, links=[], labels=[], env={},
                         serve_env={}, readiness_probe=None, dir="", serve_dir=""):
        for command in filter(None, [cmd, serve_cmd]):
            self.command(command, name)
        for path in [deps] if isinstance(deps, str) else deps or []:
            self.path(path, name)
        self.resource(name, labels, resource_deps, trigger_mode, auto_init)

    def t_docker_compose(self, configPaths, env_file=None, project_name="", profiles=[], wait=False):
        self.only("compose")
        paths = [configPaths] if isinstance(configPaths, str) else configPaths
        command = ["docker", "compose"]
        for path in paths:
            command += ["--file", str(self.path(path, "docker_compose"))]
        for profile in [profiles] if isinstance(profiles, str) else profiles:
            command += ["--profile", profile]
        self.services = json.loads(self.output([*command, "config", "--format", "json"]))["services"]
        for name, service in self.services.items():
            self.resource(name, resource_deps=service.get("depends_on") or {})

    def t_dc_resource(self, name, trigger_mode=AUTO, resource_deps=[], links=[], labels=[], auto_init=True,
                      project_name="", new_name="", infer_links=True):
        if name not in self.services:
            raise Wrong(f"dc_resource: no service is named {name}; there are {', '.join(self.services)}")
        self.configure(name, labels, resource_deps, trigger_mode, auto_init)

    def t_allow_k8s_contexts(self, contexts):
        self.contexts += [contexts] if isinstance(contexts, str) else contexts

    def t_kustomize(self, pathToDir, kustomize_bin=None, flags=[]):
        return {"blob": self.output(["kubectl", "kustomize", str(self.path(pathToDir, "kustomize"))])}

    def t_decode_yaml_stream(self, yaml):
        return [each for each in load_all(yaml["blob"] if isinstance(yaml, dict) else yaml) if each is not None]

    def t_encode_yaml_stream(self, objs):
        return {"blob": yaml.safe_dump_all(objs)}

    def t_k8s_yaml(self, yaml, allow_duplicates=False):
        self.only("cluster")
        text = yaml["blob"] if isinstance(yaml, dict) else self.path(yaml, "k8s_yaml").read_text()
        seen = set()
        for each in load_all(text):
            metadata = each["metadata"]
            key = (each["kind"], metadata.get("namespace"), metadata["name"])
            if key in seen and not allow_duplicates:
                raise Wrong(f"k8s_yaml: {key} is there twice")
            seen.add(key)
            if each["kind"] in WORKLOADS:
                pod = each if each["kind"] == "Pod" else each["spec"]["template"]
                containers = pod["spec"]["containers"] + pod["spec"].get("initContainers", [])
                self.workloads[metadata["name"]] = {"images": [each["image"] for each in containers]}
                self.resource(metadata["name"])

    def t_port_forward(self, local_port, container_port=None, name=None, link_path=None, host=None):
        if host not in (None, "localhost", "127.0.0.1"):
            raise Wrong(f"port_forward: {host} is not this machine alone")
        if local_port in self.local_ports:
            raise Wrong(f"port_forward: {local_port} is taken")
        self.local_ports.add(local_port)
        return {"forward": local_port}

    def t_k8s_resource(self, workload="", new_name="", port_forwards=[], extra_pod_selectors=[], trigger_mode=AUTO,
                       resource_deps=[], objects=[], auto_init=True, pod_readiness="", links=[], labels=[],
                       discovery_strategy=""):
        if workload not in self.workloads:
            raise Wrong(f"k8s_resource: no workload is named {workload}; there are {', '.join(self.workloads)}")
        if new_name:
            if new_name in self.resources:
                raise Wrong(f"two resources are named {new_name}")
            self.resources[new_name] = self.resources.pop(workload)
        self.configure(new_name or workload, labels, resource_deps, trigger_mode, auto_init)

    def only(self, orchestrator):
        if self.orchestrator not in (None, orchestrator):
            raise Wrong("a cluster and compose in one Tiltfile")
        self.orchestrator = orchestrator

    def output(self, command):
        environment = os.environ | self.environment
        ended = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True)
        if ended.returncode:
            raise Wrong(f"{' '.join(command)}: {ended.stderr}")
        return ended.stdout


def load_all(text):
    return list(yaml.safe_load_all(text))
