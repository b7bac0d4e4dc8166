#!/usr/bin/env bash
# Renders every overlay, each base alone and each base with each component, validates every object against
# the three newest Kubernetes versions that the validator knows, and holds the README's tables of flows
# against the rendered policies. Needs: kubectl (for `kubectl kustomize`), kubernetes-validate.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# The validator's own Python: it brings a YAML parser.
python=$(dirname "$(readlink -f "$(command -v kubernetes-validate)")")/python
mapfile -t versions < <("$python" - <<'PY'
import pathlib, re

import kubernetes_validate

schemas = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
versions = {tuple(map(int, m.groups())) for p in schemas.iterdir() if (m := re.match(r"v(\d+)\.(\d+)\.(\d+)-", p.name))}
for version in sorted(versions)[-3:]:
    print(".".join(map(str, version)))
PY
)
[ "${#versions[@]}" = 3 ] || fail "the validator knows no three versions"

# Kinds that the cluster learns from others; their schemas are not the validator's.
others='VerticalPodAutoscaler|Certificate|ExternalSecret|ServiceMonitor|HTTPRoute'
validate() { # file
  local version unknown
  for version in "${versions[@]}"; do
    kubernetes-validate --strict --quiet -k "$version" "$1" >"$work/out" 2>&1 || { cat "$work/out"; fail "$1"; }
    unknown=$(grep "Couldn't find schema" "$work/out" | grep -Ev "kind ($others) " || true)
    [ -z "$unknown" ] || fail "$unknown"
  done
}

rendered=0
render() { # name, folder
  kubectl kustomize "$2" >"$work/$1.yaml"
  [ -s "$work/$1.yaml" ] || fail "$2 renders nothing"
  validate "$work/$1.yaml"
  rendered=$((rendered + 1))
}

for overlay in overlays/*/; do render "$(basename "$overlay")" "$overlay"; done
for base in base/*/; do render "base-$(basename "$base")" "$base"; done
# Each component on all the bases, as somebody's own overlay would use it.
for component in components/*/; do
  mkdir -p "$work/overlay"
  printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n' >"$work/overlay/kustomization.yaml"
  for base in base/*/; do
    printf '  - %s\n' "$(realpath --relative-to="$work/overlay" "$base")" >>"$work/overlay/kustomization.yaml"
  done
  printf 'components:\n  - %s\n' "$(realpath --relative-to="$work/overlay" "$component")" >>"$work/overlay/kustomization.yaml"
  render "component-$(basename "$component")" "$work/overlay"
done

for overlay in dev prod; do
  kubectl kustomize "overlays/$overlay" | "$python" check/flows.py >"$work/$overlay.flows"
  sed -n "/<!-- flows: $overlay -->/,/<!-- end -->/p" README.md | sed -n 's/^| \(.* | .* | .*\) |$/\1/p' | tail -n +2 \
    >"$work/$overlay.table"
  diff -u "$work/$overlay.table" "$work/$overlay.flows" \
    || fail "the table of flows of $overlay in README.md is not what the policies say"
done
"$python" check/pods.py "$work"/*.yaml
echo "$rendered renderings valid for Kubernetes ${versions[*]}; flows and pods as they should be"
