#!/usr/bin/env bash
# Lints the chart, renders it with its defaults and each of ci/*-values.yaml, validates every object, refuses misspelt and
# mistyped values, and holds the chart against the Kustomize overlays: one truth in two forms.
# Needs: helm, kubectl (for `kubectl kustomize`), kubernetes-validate, checkov.
set -euo pipefail
cd "$(dirname "$0")"
chart=portico checks=../k8s/check
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

mkdir "$work/rendered"
for values in "$chart/values.yaml" "$chart"/ci/*-values.yaml; do
  name=$(basename "${values%.yaml}")
  name=${name%-values}
  helm lint --strict --quiet "$chart" --values "$values"
  helm template portico "$chart" --namespace portico --values "$values" >"$work/rendered/$name.yaml"
done
../python.sh "$checks/validate.py" "$work"/rendered/*.yaml
../python.sh "$checks/pods.py" "$work"/rendered/*.yaml
for rendered in "$work"/rendered/*.yaml; do
  ../python.sh "$checks/flows.py" <"$rendered" >/dev/null || fail "the policies of $rendered"
done

refuse() { # what the message names, then the setting
  if helm template portico "$chart" --set "$2" >"$work/out" 2>&1; then fail "$2 is accepted"; fi
  grep -q "$1" "$work/out" || { cat "$work/out"; fail "$2 is refused without a word on $1"; }
}
refuse replicsa gateway.replicsa=3
refuse gatway gatway.replicas=3
refuse minReplicas gateway.autoscaling.minReplicas=many
refuse pullPolicy image.pullPolicy=Sometimes
refuse issuer auth.issuer=api.example.com
refuse digest user.image.digest=sha256:short
refuse enabled smtp.enabled=maybe
refuse port smtp.port=99999
refuse endpoint tracing.endpoint=collector:4317
refuse trustedProxies trustedProxies=everybody
refuse hostnames gatewayApi.hostnames=api.example.com
refuse storage postgresql.storage=much
refuse trialSecrets trialSecrets=true
refuse externalSecrets trialSecrets=true,postgresql.bundled=true,redis.bundled=true,externalSecrets.enabled=true

for pair in prod:prod trial:dev; do
  kubectl kustomize "../k8s/overlays/${pair#*:}" >"$work/kustomize.yaml"
  ../python.sh equal.py "$work/rendered/${pair%:*}.yaml" "$work/kustomize.yaml" \
    || fail "the chart and the overlay ${pair#*:} differ"
done
echo 'the chart says what the overlays say'

# Images of a trial are built on the machine, and have no other tag.
mkdir "$work/trial"
mv "$work/rendered/trial.yaml" "$work/trial"
# What the manifests are excused from, for the same reasons (deploy/k8s/check/checkov.yaml); and CKV_K8S_21, the default
# namespace: whoever installs a release names it.
scan() { # folder, further exceptions
  checkov --skip-download --quiet --compact --framework kubernetes --directory "$1" \
    --skip-check "CKV_K8S_15,CKV_K8S_21,CKV_K8S_43${2:+,$2}" \
    || fail 'checkov: see above'
}
scan "$work/rendered"
scan "$work/trial" CKV_K8S_14
