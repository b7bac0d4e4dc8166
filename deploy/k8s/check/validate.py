#!/usr/bin/env python3
"""Validates every object of rendered manifests: `validate.py FILE…`.

Kubernetes' own kinds are held, strictly, against the schemas of the three newest versions that kubernetes-validate
knows, and the kinds of others against schemas.yaml. A kind that neither knows is an error. Run it with the Python that
kubernetes-validate is installed in.
"""

import functools
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml
from kubernetes_validate import utils

# Each schema is read once, not once per object.
utils.schema_contents = functools.cache(utils.schema_contents)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def newest(count):
    """One version of each of the newest minor releases, the newest last."""
    minors = {tuple(version.split(".")[:2]): version for version in utils.all_versions()}
    if len(minors) < count:
        sys.exit(f"kubernetes-validate knows only {len(minors)} versions")
    return list(minors.values())[-count:]


def others():
    """Validators of the kinds that others bring, by `apiVersion/kind`."""
    text = pathlib.Path(__file__).with_name("schemas.yaml").read_text(encoding="utf-8")
    validators = {}
    for name, spec in yaml.load(text, LOADER)["kinds"].items():
        known = {"type": "object", "properties": {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}, "spec": spec}}
        schema = closed(known | {"required": ["spec"]})
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[name] = jsonschema.Draft202012Validator(schema)
    return validators


def closed(schema):
    """The same schema, which takes no property that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: closed(value) for key, value in schema.items()}
    if out.get("type") == "object" and "properties" in out:
        out.setdefault("additionalProperties", False)
    return out


def faults(each, versions, kinds):
    name = f"{each['apiVersion']}/{each['kind']}"
    if name in kinds:
        for error in kinds[name].iter_errors(each):
            yield f"{'.'.join(map(str, error.path))}: {error.message}"
        return
    for version in versions:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"Kubernetes {version} does not know it, and neither does schemas.yaml"


def main(paths):
    versions, kinds = newest(3), others()
    seen, found, used = {}, 0, set()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            objects = [each for each in yaml.load_all(file, LOADER) if each]
        if not objects:
            sys.exit(f"{path} holds nothing")
        names = [(each["apiVersion"], each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
        for twice in {name for name in names if names.count(name) > 1}:
            print(f"{pathlib.Path(path).name}: {'/'.join(map(str, twice))} twice")
            found += 1
        for each in objects:
            used.add(f"{each['apiVersion']}/{each['kind']}")
            key = json.dumps(each, sort_keys=True)
            if key not in seen:
                seen[key] = list(faults(each, versions, kinds))
            for fault in seen[key]:
                print(f"{pathlib.Path(path).name}: {each['kind']}/{each['metadata']['name']}: {fault}")
                found += 1
    theirs = sorted(name.rsplit("/", 1)[1] for name in used & kinds.keys())
    print(f"{len(paths)} renderings, {len(seen)} different objects: Kubernetes {', '.join(versions)}; {', '.join(theirs)}")
    return found != 0


sys.exit(main(sys.argv[1:]))
