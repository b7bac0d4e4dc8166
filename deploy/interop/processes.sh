#!/usr/bin/env bash
# Starts the gateway, the user service and the auth service as three processes on two throwaway
# PostgreSQL databases and a throwaway Redis, then asks them what a stranger would: the journeys over
# REST, and grpcurl straight to the user service. Ends with everything stopped.
# Needs: the PostgreSQL and Redis servers' programs, grpcurl, node and python3, and the workspace's binaries (built here).
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/interop/system.sh
. deploy/interop/system.sh

# So that a rotation happens while tokens are verified.
export AUTH__KEY_ROTATION_SECONDS=20
start_stores
start_services

say 'the journeys pass over REST'
run_journeys

say 'grpcurl sees the services'
services=$(grpcurl -plaintext "127.0.0.1:$user_port" list)
for service in portico.user.v1.UserService portico.user.v1.UserEvents grpc.health.v1.Health; do
  grep -qx "$service" <<<"$services" || fail "$service is not listed: $services"
done

method=portico.user.v1.UserService/GetUser
ask() { # id, then grpcurl's options; prints the answer or the error
  local id=$1
  shift
  grpcurl -plaintext "$@" -d "{\"id\": \"$id\"}" "127.0.0.1:$user_port" "$method" 2>&1 || true
}
post auth/register '{"email": "ada@example.org", "password": "a perfectly fine passphrase"}' >/dev/null
ada=$(token_of ada@example.org 'a perfectly fine passphrase')
other=$(ask me -H "authorization: Bearer $admin" | json id)

say 'a call without a token is Unauthenticated'
grep -q 'Code: Unauthenticated' <<<"$(ask me)" || fail "$(ask me)"
say "another's account is PermissionDenied"
denied=$(ask "$other" -H "authorization: Bearer $ada")
grep -q 'Code: PermissionDenied' <<<"$denied" || fail "$denied"
say 'one sees oneself'
own=$(ask me -H "authorization: Bearer $ada")
[ "$(json email <<<"$own")" = ada@example.org ] || fail "$own"

say 'what comes to two gateways at once with one key is done once'
read -r twin_port twin_ops < <(free_ports 2)
GATEWAY__LISTEN=127.0.0.1:$twin_port OPS__LISTEN=127.0.0.1:$twin_ops \
  "$PORTICO_BIN/portico-gateway" serve >>"$work/twin.log" 2>&1 &
wait_for "http://127.0.0.1:$twin_ops/ready" 100 'the second gateway'
deploy/interop/edge/twice.py "$rest/users" "http://127.0.0.1:$twin_port/api/v1/users" "$admin" 25 | sed 's/^/    /'

say "other people's OAuth libraries complete their flows"
PORTICO_URL=http://127.0.0.1:$rest_port PORTICO_ADMIN_EMAIL=$admin_email \
  PORTICO_ADMIN_PASSWORD=$admin_password deploy/interop/oauth/run.sh
