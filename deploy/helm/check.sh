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
refuse trialSecrets postgresql.bundled=true
refuse refreshInterval externalSecrets.refreshInterval=soon
# Who may say whose a request is, Prometheus without a way to what it scrapes, services without a way to their stores.
refuse trustedProxies ingress.enabled=true,networkPolicy.ingressNamespace=ingress-nginx
refuse ingressNamespace ingress.enabled=true,trustedProxies=10.0.0.0/8
refuse ingressNamespace gatewayApi.enabled=true,trustedProxies=10.0.0.0/8
refuse monitoringNamespace serviceMonitor.enabled=true
refuse storesCidr networkPolicy.storesCidr=
refuse gateway.enabled ingress.enabled=true,trustedProxies=10.0.0.0/8,networkPolicy.ingressNamespace=edge,gateway.enabled=false
refuse externalSecrets trialSecrets=true,postgresql.bundled=true,redis.bundled=true,externalSecrets.enabled=true

# A service is deployed by itself: its image alone starts its pods and its migration, and another version of the chart, with
# other templates' labels but the same pods, starts nothing of a service whose image is pinned.
cp -r "$chart" "$work/next"
sed -i 's/^version: .*/version: 99.0.0/; s/^appVersion: .*/appVersion: "99.0.0"/' "$work/next/Chart.yaml"
digest=sha256:$(printf '%064d' 1)
starts() { # what must start, the set of values, the next chart, settings before, settings after
  helm template portico "$chart" --values "$chart/ci/$2-values.yaml" ${4:+--set "$4"} >"$work/before.yaml"
  helm template portico "$3" --values "$chart/ci/$2-values.yaml" ${5:+--set "$5"} >"$work/after.yaml"
  ../python.sh restarts.py "$work/before.yaml" "$work/after.yaml" >"$work/starts"
  diff -u <(printf '%s' "${1:+${1// /$'\n'}$'\n'}") "$work/starts" \
    || fail "with the values of $2, '$4' to '$5' starts other pods than it must"
}
services='Deployment/portico-auth Deployment/portico-gateway Deployment/portico-user'
migrations='Job/portico-auth-migrate Job/portico-user-migrate'
for values in prod trial; do
  pinned=gateway.image.tag=v1,user.image.tag=v1,auth.image.tag=v1
  starts '' "$values" "$work/next" "$pinned" "$pinned"
  for service in user auth; do
    starts "Deployment/portico-$service Job/portico-$service-migrate" "$values" "$work/next" "$pinned" \
      "$pinned,$service.image.digest=$digest"
  done
  starts Deployment/portico-gateway "$values" "$work/next" "$pinned" "$pinned,gateway.image.digest=$digest"
done
# What is not pinned follows the chart.
starts "$services $migrations" cloud "$work/next" '' ''
echo 'a service is deployed by itself'

# Recommendations are made by themselves, where the cluster knows them.
for known in '' autoscaling.k8s.io/v1; do
  recommended=$(helm template portico "$chart" ${known:+--api-versions "$known"} | grep -c '^kind: VerticalPodAutoscaler$' || true)
  [ "$recommended" = "$([ -n "$known" ] && echo 3 || echo 0)" ] || fail "recommends for $recommended services, with '$known'"
done

# What a service that is switched off leaves behind: nothing of its own.
for service in gateway user auth; do
  for values in trial prod; do
    helm template portico "$chart" --values "$chart/ci/$values-values.yaml" --set "$service.enabled=false,ingress.enabled=false" \
      >"$work/without.yaml"
    left=$(grep -nE "^  name: portico-(postgres-)?$service(-[a-z]+)*(-[0-9a-f]{8})?\$|/$service\$|name: portico-test" "$work/without.yaml" || true)
    [ -z "$left" ] || fail "without $service, the values of $values still make: $left"
    ../python.sh "$checks/pods.py" "$work/without.yaml"
    ../python.sh "$checks/flows.py" <"$work/without.yaml" >/dev/null || fail "the policies of $values without $service"
  done
done

for pair in prod:prod staging:staging trial:dev; do
  kubectl kustomize "../k8s/overlays/${pair#*:}" >"$work/kustomize.yaml"
  ../python.sh equal.py "$work/rendered/${pair%:*}.yaml" "$work/kustomize.yaml" \
    || fail "the chart and the overlay ${pair#*:} differ"
done
echo 'the chart says what the overlays say'
# The last of them is the trial: it and the overlay go on one node, also both at once. So does what the README says by flags,
# by itself.
../python.sh "$checks/trial.py" "$work/rendered/trial.yaml" "$work/kustomize.yaml"
helm template portico "$chart" --namespace portico \
  --set trialSecrets=true,postgresql.bundled=true,redis.bundled=true,networkPolicy.storesCidr= >"$work/flags.yaml"
../python.sh "$checks/trial.py" "$work/flags.yaml"

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
