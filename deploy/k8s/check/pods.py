#!/usr/bin/env python3
"""Holds rendered manifests against each other: `pods.py FILE…`, each file one rendering.

Pods keep to Pod Security's `restricted`, with a read-only root and bounds on what they take, and have the time to drain
that they take; nothing on them changes with a release alone, and what they mount follows its Secret; migrations carry
their release and end in time; probes and services name ports that exist; selectors select pods that exist; and whatever is
named (a service account, a ConfigMap, a key of a Secret that is made here, a backend) is there.
"""

import pathlib
import re
import sys

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# How long a process waits for its tasks once it has been told to stop.
DRAIN = 12
SPARE = 5
# How long a rollout is waited for, in seconds.
ROLLOUT = pathlib.Path(__file__).resolve().parents[2] / "release" / "rollout.sh"
PATIENCE = 60 * min(int(minutes) for minutes in re.findall(r"--timeout (\d+)m", ROLLOUT.read_text(encoding="utf-8")))
# What another release says otherwise: on a pod's template, it restarts every service with each.
OF_A_RELEASE = {"app.kubernetes.io/version", "helm.sh/chart"}
# Kinds that own pods, and kinds that name some by their labels.
SCALED = ("Deployment", "StatefulSet")


class Rendering:
    def __init__(self, objects):
        self.objects = objects
        self.pods = []
        for each in objects:
            spec = each.get("spec", {})
            template = each if each["kind"] == "Pod" else spec.get("jobTemplate", {}).get("spec", spec).get("template")
            if template and "containers" in template.get("spec", {}):
                self.pods.append((each, template["metadata"].get("labels", {}), template["spec"]))

    def kind(self, *kinds):
        return [each for each in self.objects if each["kind"] in kinds]

    def named(self, kind, name):
        return next((each for each in self.kind(kind) if each["metadata"]["name"] == name), None)

    def keys(self, name):
        """The keys that the Secret will have, when something here makes it; else None."""
        for each in self.kind("Secret"):
            if each["metadata"]["name"] == name:
                return {*each.get("data", {}), *each.get("stringData", {})}
        for each in self.kind("ExternalSecret"):
            if each["spec"]["target"]["name"] == name:
                template = each["spec"]["target"].get("template", {}).get("data")
                return set(template or {entry["secretKey"] for entry in each["spec"]["data"]})
        for each in self.kind("Certificate"):
            if each["spec"]["secretName"] == name:
                return {"ca.crt", "tls.crt", "tls.key"}
        return None

    def faults(self):
        for owner, labels, spec in self.pods:
            who = f"{owner['kind']}/{owner['metadata']['name']}"
            for fault in self.pod_faults(owner, labels, spec):
                yield f"{who}: {fault}"
        yield from self.service_faults()
        yield from self.selector_faults()
        yield from self.backend_faults()
        yield from self.time_faults()
        yield from self.name_faults()
        yield from self.quota_faults()
        yield from self.setting_faults()

    def time_faults(self):
        """What takes too long ends by itself and says what it was, before whoever waits for all of it gives up."""
        for job in self.kind("Job"):
            who, spec = f"Job/{job['metadata']['name']}", job["spec"]
            service = job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"].removesuffix("-migrate")
            # A server that comes up beside it may still be on its way.
            beside = any(labels.get("app.kubernetes.io/component") == f"postgres-{service}" for _, labels, _ in self.pods)
            for each in self.kind("Deployment"):
                if each["metadata"]["labels"]["app.kubernetes.io/component"] != service or beside:
                    continue
                if spec["activeDeadlineSeconds"] >= each["spec"]["progressDeadlineSeconds"]:
                    yield f"{who}: may take longer than pods may take to be ready, which wait for it"
            if not beside and spec.get("ttlSecondsAfterFinished", PATIENCE * 2) < PATIENCE * 2:
                yield f"{who}: is gone before whoever waits for it has seen it"
        for each in self.kind("Deployment"):
            if each["spec"].get("progressDeadlineSeconds", 600) >= PATIENCE:
                yield f"Deployment/{each['metadata']['name']}: is given up on before it says what is wrong"

    def quota_faults(self):
        """There is room for each autoscaler's most, with one more while a rollout goes on, and for all that runs once."""
        most = {each["spec"]["scaleTargetRef"]["name"]: each["spec"]["maxReplicas"] + 1 for each in self.kind("HorizontalPodAutoscaler")}
        sums = {"pods": 0}
        for owner, _, spec in self.pods:
            count = most.get(owner["metadata"]["name"], owner["spec"].get("replicas", 1))
            sums["pods"] += count
            for bound, name in ((b, n) for b in ("requests", "limits") for n in ("cpu", "memory")):
                each = sum(quantity(container["resources"][bound][name]) for container in spec["containers"])
                sums[f"{bound}.{name}"] = sums.get(f"{bound}.{name}", 0) + count * each
        for each in self.kind("ResourceQuota"):
            for name in sums.keys() & each["spec"]["hard"].keys():
                if sums[name] > quantity(each["spec"]["hard"][name]):
                    yield f"ResourceQuota/{each['metadata']['name']}: {name} may come to {sums[name]:g}"

    def name_faults(self):
        """A Job cannot be changed, so one that runs a release carries its name."""
        for job in self.kind("Job"):
            name, image = job["metadata"]["name"], job["spec"]["template"]["spec"]["containers"][0]["image"]
            image, _, digest = image.partition("@")
            tag = image.rpartition("/")[2].partition(":")[2]
            if re.search(r"-migrate-[0-9a-f]{8}$", name) or tag in ("", "latest") and not digest:
                continue
            known = [re.sub("[^a-z0-9]+", "-", tag.lower())] if tag else []
            if not any(name.endswith(f"-migrate-{each}") for each in known + [digest.removeprefix("sha256:")[:12]]):
                yield f"Job/{name}: does not carry the release that it runs, {tag or digest}"

    def setting_faults(self):
        """The services must mean the same by what they say of each other."""
        of_all = {}
        for owner, _, spec in self.pods:
            for name, value in self.settings(spec["containers"][0]).items():
                who = f"{owner['kind']}/{owner['metadata']['name']}"
                if owner["kind"] == "Deployment" and name in ("AUTH__ISSUER", "AUTH__AUDIENCE", "USER__URL", "AUTH__URL"):
                    of_all.setdefault(name, {}).setdefault(value, []).append(who)
                host, _, port = str(value).rpartition("//")[2].partition(":")
                service = self.named("Service", host) if name.endswith("__URL") else None
                if service and int(port) not in {each["port"] for each in service["spec"]["ports"]}:
                    yield f"{who}: {name} is {value}, and {host} has no such port"
        for name, values in of_all.items():
            if len(values) > 1:
                yield f"{name} differs: " + "; ".join(f"{value} for {', '.join(who)}" for value, who in values.items())
        services = {owner["metadata"]["labels"]["app.kubernetes.io/component"] for owner, _, _ in self.pods if owner["kind"] == "Deployment"}
        told = {who for whos in of_all.get("AUTH__ISSUER", {}).values() for who in whos}
        if "auth" in services and len(told) < len(services & {"gateway", "user", "auth"}):
            yield "AUTH__ISSUER is not told to every service: one that does not know it takes no token"

    def pod_faults(self, owner, labels, spec):
        selector = (owner.get("spec", {}).get("selector") or {}).get("matchLabels")
        if owner["kind"] in SCALED and not (selector and selector.items() <= labels.items()):
            yield "its selector does not select its own pods"
        if (changing := OF_A_RELEASE & labels.keys()) and owner["kind"] != "Pod":
            yield f"its pods carry {', '.join(sorted(changing))}, so that a release of anything restarts them"
        if spec.get("automountServiceAccountToken") is not False:
            yield "mounts a service account's token"
        account = spec.get("serviceAccountName", "default")
        if account != "default" and not self.named("ServiceAccount", account):
            yield f"runs as {account}, which is no service account here"
        for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(forbidden):
                yield f"has {forbidden}"
        pod = spec.get("securityContext", {})
        if pod.get("runAsNonRoot") is not True or pod.get("runAsUser", 0) == 0:
            yield "may run as root"
        if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield "no seccomp profile"
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates", [])}
        for volume in spec.get("volumes", []):
            yield from self.volume_faults(volume)
        for container in spec["containers"] + spec.get("initContainers", []):
            for fault in self.mount_faults(spec, container):
                yield f"{container['name']}: {fault}"
            for fault in self.container_faults(owner, container, volumes):
                yield f"{container['name']}: {fault}"
            settings = self.settings(container)
            stop = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            stop += int(settings.get("GATEWAY__DRAIN_DELAY_SECONDS", 0))
            serves = "readinessProbe" in container and "lifecycle" in container
            if serves and spec.get("terminationGracePeriodSeconds", 30) < stop + DRAIN + SPARE:
                yield f"is killed before it has drained, which takes {stop + DRAIN} s"

    def mount_faults(self, spec, container):
        """A part of a volume is what it was when the pod started; the whole of it follows the Secret."""
        changing = {v["name"] for v in spec.get("volumes", []) if v.keys() & {"secret", "configMap", "projected"}}
        for mount in container.get("volumeMounts", []):
            if mount["name"] in changing and (mount.get("subPath") or mount.get("subPathExpr")):
                yield f"mounts a part of {mount['name']}, which never changes in a running pod"
        for each in container.get("env", []):
            if "secretKeyRef" in each.get("valueFrom", {}):
                yield f"{each['name']} comes from a Secret, whose change a running pod never sees: mount it"
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                yield f"takes the Secret {source['secretRef']['name']} as its environment: mount it"

    def volume_faults(self, volume):
        kind, source = next((key, value) for key, value in volume.items() if key != "name")
        if kind not in ("configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim"):
            yield f"the volume {volume['name']} is a {kind}, which `restricted` refuses"
        if kind == "emptyDir" and "sizeLimit" not in source:
            yield f"the volume {volume['name']} may fill the node's disk"
        parts = source.get("sources", []) if kind == "projected" else []
        for config in [part["configMap"] for part in parts if "configMap" in part] + [source] * (kind == "configMap"):
            there = self.named("ConfigMap", config["name"])
            if there is None:
                yield f"mounts the ConfigMap {config['name']}, which is not here"
            for key in {item["key"] for item in config.get("items", [])} - (there or {}).get("data", {}).keys():
                yield f"mounts the key {key} of the ConfigMap {config['name']}, which has none"
        secrets = [part["secret"] for part in parts if "secret" in part]
        if kind == "secret":
            secrets.append({"name": source["secretName"], "items": source.get("items", [])})
        for secret in secrets:
            there = self.keys(secret["name"])
            if there is None:
                continue
            for key in {item["key"] for item in secret.get("items", [])} - there:
                yield f"mounts the key {key} of the Secret {secret['name']}, which has none"

    def settings(self, container):
        """A container's plain environment."""
        found = {}
        for source in container.get("envFrom", []):
            found |= (self.named("ConfigMap", source["configMapRef"]["name"]) or {}).get("data", {})
        return found | {each["name"]: each.get("value") for each in container.get("env", [])}

    def container_faults(self, owner, container, volumes):
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            yield "may gain privileges"
        if context.get("capabilities", {}).get("drop") != ["ALL"] or context.get("capabilities", {}).get("add"):
            yield "keeps capabilities"
        if context.get("readOnlyRootFilesystem") is not True:
            yield "can write to its root"
        resources = container.get("resources", {})
        for bound in ("requests", "limits"):
            if not {"cpu", "memory"} <= set(resources.get(bound, {})):
                yield f"no {bound}"
        for source in container.get("envFrom", []):
            if not self.named("ConfigMap", source["configMapRef"]["name"]):
                yield f"reads the ConfigMap {source['configMapRef']['name']}, which is not here"
        mounts = container.get("volumeMounts", [])
        for mount in mounts:
            if mount["name"] not in volumes:
                yield f"mounts {mount['name']}, which is no volume"
        for name, value in self.settings(container).items():
            if name.endswith("_FILE") and not any(str(value).startswith(mount["mountPath"] + "/") for mount in mounts):
                yield f"{name} is {value}, where nothing is mounted"
        ports = {port["name"] for port in container.get("ports", [])}
        numbers = {port["containerPort"] for port in container.get("ports", [])}
        for name, value in self.settings(container).items():
            if name.endswith("__LISTEN") and int(value.rsplit(":", 1)[1]) not in numbers:
                yield f"listens on {value}, which is no port of it"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            handler = container.get(probe)
            if handler is None:
                if ports:
                    yield f"no {probe}"
                continue
            action = handler.get("httpGet") or handler.get("tcpSocket")
            if action and action["port"] not in ports:
                yield f"{probe} asks {action['port']}, which is no port"
        if owner["kind"] == "Deployment" and container.get("livenessProbe") == container.get("readinessProbe"):
            yield "a pod that is not ready would be killed for it"

    def behind(self, selector):
        return [spec for _, labels, spec in self.pods if selector.items() <= labels.items()]

    def service_faults(self):
        for service in self.kind("Service"):
            who = f"Service/{service['metadata']['name']}"
            behind = self.behind(service["spec"]["selector"])
            if len(behind) != 1:
                yield f"{who}: selects the pods of {len(behind)} owners"
                continue
            ports = {port["name"] for container in behind[0]["containers"] for port in container.get("ports", [])}
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in ports:
                    yield f"{who}: {port['targetPort']} is no port of its pods"

    def selector_faults(self):
        for each in self.kind("PodDisruptionBudget"):
            if len(self.behind(each["spec"]["selector"]["matchLabels"])) != 1:
                yield f"PodDisruptionBudget/{each['metadata']['name']}: does not select the pods of one owner"
        for each in self.kind("AuthorizationPolicy", "PeerAuthentication"):
            labels = each["spec"].get("selector", {}).get("matchLabels")
            # The mesh knows the collector also where it is not.
            absent = labels is not None and not self.behind(labels)
            if absent and labels.get("app.kubernetes.io/component") != "collector":
                yield f"{each['kind']}/{each['metadata']['name']}: selects no pod"
            for rule in each["spec"].get("rules", []):
                for account in (a for source in rule.get("from", []) for a in source["source"].get("serviceAccounts", [])):
                    if not self.named("ServiceAccount", account):
                        yield f"{each['kind']}/{each['metadata']['name']}: {account} is no service account here"
        for each in self.kind("HorizontalPodAutoscaler", "VerticalPodAutoscaler"):
            target = each["spec"].get("scaleTargetRef") or each["spec"]["targetRef"]
            owner = self.named(target["kind"], target["name"])
            who = f"{each['kind']}/{each['metadata']['name']}"
            if owner is None:
                yield f"{who}: scales nothing"
                continue
            names = {container["name"] for container in owner["spec"]["template"]["spec"]["containers"]}
            for policy in each["spec"].get("resourcePolicy", {}).get("containerPolicies", []):
                if policy["containerName"] not in names:
                    yield f"{who}: {policy['containerName']} is no container"
            if each["kind"] == "HorizontalPodAutoscaler" and "replicas" in owner["spec"]:
                yield f"{who}: its target sets replicas too"
        for each in self.kind("ServiceMonitor"):
            labels = each["spec"]["selector"]["matchLabels"]
            services = [s for s in self.kind("Service") if labels.items() <= s["metadata"].get("labels", {}).items()]
            for endpoint in each["spec"]["endpoints"]:
                with_port = [s for s in services if endpoint["port"] in {port["name"] for port in s["spec"]["ports"]}]
                if len(with_port) != 1:
                    yield f"ServiceMonitor/{each['metadata']['name']}: finds {len(with_port)} services with {endpoint['port']}"

    def backend_faults(self):
        backends = []
        for each in self.kind("Ingress"):
            for path in (path for rule in each["spec"]["rules"] for path in rule["http"]["paths"]):
                service = path["backend"]["service"]
                backends.append((each, service["name"], service["port"].get("name") or service["port"]["number"]))
        for each in self.kind("HTTPRoute"):
            for backend in (backend for rule in each["spec"]["rules"] for backend in rule["backendRefs"]):
                backends.append((each, backend["name"], backend["port"]))
        for each, name, port in backends:
            service = self.named("Service", name)
            if service is None or port not in {p[key] for p in service["spec"]["ports"] for key in ("name", "port")}:
                yield f"{each['kind']}/{each['metadata']['name']}: {name}:{port} is not here"


def quantity(text):
    """A Kubernetes quantity as a number."""
    for unit, factor in {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "m": 0.001}.items():
        if str(text).endswith(unit):
            return float(str(text).removesuffix(unit)) * factor
    return float(text)


def main():
    found = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            rendering = Rendering([each for each in yaml.load_all(file, LOADER) if each])
        for fault in rendering.faults():
            print(f"{path.rsplit('/', 1)[-1]}: {fault}")
            found += 1
    sys.exit(1 if found else 0)


main()
