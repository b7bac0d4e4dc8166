#!/usr/bin/env bash
# Has the programs read the settings that the overlays and the chart give them.
#   settings.sh PROGRAMS      the folder of portico-gateway, portico-user and portico-auth
# Needs: kubectl (for `kubectl kustomize`), helm, kubernetes-validate (for its Python).
set -euo pipefail
programs=$(realpath "${1:?usage: settings.sh PROGRAMS}")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for overlay in overlays/*/; do kubectl kustomize "$overlay" >"$work/$(basename "$overlay").yaml"; done
for values in ../helm/portico/values.yaml ../helm/portico/ci/*-values.yaml; do
  helm template portico ../helm/portico --namespace portico --values "$values" >"$work/chart-$(basename "$values")"
done
../python.sh check/settings.py "$programs" "$work"/*.yaml
