#!/usr/bin/env bash
# Lints the chart, renders it with its defaults and each of ci/*-values.yaml, validates every object, refuses misspelt and
# mistyped values, and holds the chart against the Kustomize overlays: one truth in two forms.
# Needs: helm, kubectl (for `kubectl kustomize`), kubernetes-validate.
set -euo pipefail
cd "$(dirname "$0")"
chart=portico
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
python=$(dirname "$(readlink -f "$(command -v kubernetes-validate)")")/python

rendered=0
for values in "$chart/values.yaml" "$chart"/ci/*-values.yaml; do
  name=$(basename "$values" -values.yaml)
  helm lint --strict --quiet "$chart" --values "$values"
  helm template portico "$chart" --namespace portico --values "$values" >"$work/$name.yaml"
  kubernetes-validate --strict --quiet --no-warn "$work/$name.yaml"
  rendered=$((rendered + 1))
done
"$python" ../k8s/check/pods.py "$work"/*.yaml

refuse() { # what the message names, then the setting
  if helm template portico "$chart" --set "$2" >"$work/out" 2>&1; then fail "$2 is accepted"; fi
  grep -q "$1" "$work/out" || { cat "$work/out"; fail "$2 is refused without a word on $1"; }
}
refuse replicsa gateway.replicsa=3
refuse minReplicas gateway.autoscaling.minReplicas=many
refuse pullPolicy image.pullPolicy=Sometimes
refuse issuer auth.issuer=api.example.com
refuse trialSecrets trialSecrets=true

for pair in prod:prod trial:dev; do
  kubectl kustomize "../k8s/overlays/${pair#*:}" >"$work/kustomize.yaml"
  "$python" equal.py "$work/${pair%:*}.yaml" "$work/kustomize.yaml" || fail "the chart and the overlay ${pair#*:} differ"
done
echo "$rendered renderings of the chart valid; it says what the overlays say"
