#!/usr/bin/env bash
# Has the programs read the settings that the overlays and the chart give them.
#   settings.sh PROGRAMS      the folder of portico-gateway, portico-user and portico-auth
# Needs: kubectl (for `kubectl kustomize`), helm, and a Python with a YAML parser (kubernetes-validate's).
set -euo pipefail
programs=$(realpath "${1:?usage: settings.sh PROGRAMS}")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(dirname "$(readlink -f "$(command -v kubernetes-validate)")")/python
for overlay in overlays/*/; do kubectl kustomize "$overlay" >"$work/$(basename "$overlay").yaml"; done
for values in ../helm/portico/values.yaml ../helm/portico/ci/*-values.yaml; do
  helm template portico ../helm/portico --namespace portico --values "$values" >"$work/chart-$(basename "$values")"
done
"$python" check/settings.py "$programs" "$work"/*.yaml
