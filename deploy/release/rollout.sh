#!/usr/bin/env bash
# Brings one service of a release to a new image and holds it against the journeys; takes it back when they fail.
#   rollout.sh SERVICE DIGEST NAMESPACE     SERVICE: gateway, user or auth; DIGEST: sha256:…
# Wants a context of kubectl that reaches the cluster (with CLUSTER, the name of one of EKS, it makes one), helm, cargo for
# the journeys, and in E2E_ADMIN_EMAIL and E2E_ADMIN_PASSWORD an administrator of that environment. With E2E_URL the
# journeys go there; without, through a port-forward. JOURNEYS=skip leaves them out.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
[ "$#" = 3 ] || fail 'usage: rollout.sh SERVICE DIGEST NAMESPACE'
service=$1 digest=$2 namespace=$3 release=portico
case $service in gateway | user | auth) ;; *) fail "SERVICE: $service is none of gateway, user and auth" ;; esac
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || fail "DIGEST: $digest is no sha256:<64 hexadecimal digits>"

# Before anything is touched, what the journeys need: while they are compiled the new image would serve untried, and one
# that is fine would be taken back for want of a password.
if [ "${JOURNEYS:-run}" != skip ]; then
  [ -n "${E2E_ADMIN_EMAIL:-}" ] && [ -n "${E2E_ADMIN_PASSWORD:-}" ] || fail 'E2E_ADMIN_EMAIL, E2E_ADMIN_PASSWORD: the journeys need both'
  deploy/release/journeys.sh build
fi

revision() {
  helm --namespace "$namespace" list --filter "^$release\$" --output json \
    | python3 -c 'import json, sys; found = json.load(sys.stdin); print(found[0]["revision"] if found else "")'
}
[ -z "${CLUSTER:-}" ] || aws eks update-kubeconfig --name "$CLUSTER"
before=$(revision)
[ -n "$before" ] || fail "no release $release in the namespace $namespace: install the chart first"
former=$(helm --namespace "$namespace" get values "$release" --output json \
  | python3 -c 'import json, sys; of = lambda values, key: (values or {}).get(key); print(of(of(of(json.load(sys.stdin), sys.argv[1]), "image"), "digest") or "")' "$service")

bring() { # digest
  # `--rollback-on-failure` takes it back by itself when the pods do not become ready. The wait is longer than the chart's
  # own times: how long a migration may take, and how long a rollout may stand still.
  helm --namespace "$namespace" upgrade "$release" deploy/helm/portico --reset-then-reuse-values \
    --set "$service.image.digest=$1" --wait --rollback-on-failure --timeout 15m
}
back() {
  if [ "$(revision)" = "$((before + 1))" ]; then
    echo "taking $service back to revision $before"
    helm --namespace "$namespace" rollback "$release" "$before" --wait --timeout 15m
  else
    # A release is one for all services: what somebody else brought meanwhile stays.
    echo "taking $service alone back to ${former:-the image that it had}"
    bring "$former"
  fi
}

bring "$digest"

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
if ! deploy/release/journeys.sh run; then
  back
  fail "the journeys do not pass with $service@$digest"
fi
