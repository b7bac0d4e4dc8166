#!/usr/bin/env bash
# Brings one service of a release to a new image and holds it against the journeys; takes it back when they fail.
#   rollout.sh SERVICE DIGEST NAMESPACE     SERVICE: gateway, user or auth; DIGEST: sha256:…
# Wants a context of kubectl that reaches the cluster (with CLUSTER, the name of one of EKS, it makes one), helm, cargo for the journeys, and in E2E_ADMIN_EMAIL and
# E2E_ADMIN_PASSWORD an administrator of that environment. With E2E_URL the journeys go there; without, through a
# port-forward. JOURNEYS=skip leaves them out.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
[ "$#" = 3 ] || fail 'usage: rollout.sh SERVICE DIGEST NAMESPACE'
service=$1 digest=$2 namespace=$3 release=portico
case $service in gateway | user | auth) ;; *) fail "SERVICE: $service is none of gateway, user and auth" ;; esac
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || fail "DIGEST: $digest is no sha256:<64 hexadecimal digits>"

[ -z "${CLUSTER:-}" ] || aws eks update-kubeconfig --name "$CLUSTER"
before=$(helm --namespace "$namespace" list --filter "^$release\$" --output json | python3 -c 'import json, sys; found = json.load(sys.stdin); print(found[0]["revision"] if found else "")')
[ -n "$before" ] || fail "no release $release in the namespace $namespace: install the chart first"

back() {
  echo "taking $service back to revision $before"
  helm --namespace "$namespace" rollback "$release" "$before" --wait --timeout 10m
}

# `--rollback-on-failure` takes it back by itself when the pods do not become ready.
helm --namespace "$namespace" upgrade "$release" deploy/helm/portico --reset-then-reuse-values \
  --set "$service.image.digest=$digest" --wait --rollback-on-failure --timeout 10m

[ "${JOURNEYS:-run}" != skip ] || exit 0
if [ -z "${E2E_URL:-}" ]; then
  port=$((20000 + RANDOM % 10000))
  kubectl --namespace "$namespace" port-forward "service/$release-gateway" "$port:80" >/dev/null &
  trap 'kill %1 2>/dev/null || true' EXIT
  E2E_URL=http://127.0.0.1:$port
  export E2E_URL
fi
for _ in $(seq 60); do
  curl --fail --silent --output /dev/null "$E2E_URL/ready" && break
  sleep 1
done
if ! cargo test --locked -p portico --test journeys a_running_system_passes; then
  back
  fail "the journeys do not pass with $service@$digest"
fi
