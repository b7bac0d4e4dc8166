#!/usr/bin/env bash
# Runs what the manifests and the chart say, as processes of this machine: the overlay `dev`, the same with mutual TLS
# between the services, and the chart with its own stores and secrets. run.py says what is tried.
#   run.sh PROGRAMS      the folder of portico-gateway, portico-user and portico-auth
# Needs: kubectl (for `kubectl kustomize`), helm, kubernetes-validate (for its Python), PostgreSQL, Redis, curl, openssl.
set -euo pipefail
programs=$(realpath "${1:?usage: run.sh PROGRAMS}")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

kubectl kustomize overlays/dev >"$work/dev.yaml"
mkdir "$work/tls"
printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [%s]\ncomponents: [%s]\n' \
  "$(realpath --relative-to="$work/tls" overlays/dev)" "$(realpath --relative-to="$work/tls" components/mutual-tls)" \
  >"$work/tls/kustomization.yaml"
kubectl kustomize "$work/tls" >"$work/dev-tls.yaml"
helm template portico ../helm/portico --values ../helm/portico/ci/trial-values.yaml >"$work/chart.yaml"
for rendered in dev dev-tls chart; do
  echo "$rendered"
  ../python.sh run.py "$programs" "$work/$rendered.yaml"
done
