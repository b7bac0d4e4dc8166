#!/usr/bin/env bash
# Starts the gateway, the user service and the auth service as three processes on two throwaway
# PostgreSQL databases and a throwaway Redis, then asks them what a stranger would: the journeys over
# REST, and grpcurl straight to the user service. Ends with everything stopped.
# Needs: the PostgreSQL and Redis servers' programs, grpcurl, node and python3, and the workspace's binaries (built here).
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
finish() {
  status=$?
  trap - EXIT
  # shellcheck disable=SC2046
  kill $(jobs -p) 2>/dev/null || true
  as_postgres "$bin/pg_ctl" -D "$work/pg" -m immediate stop >/dev/null 2>&1 || true
  [ "$status" = 0 ] || tail -n 20 "$work"/*.log
  rm -rf "$work"
  exit "$status"
}
bin=$(for d in /usr/lib/postgresql/*/bin; do echo "$d"; done | sort -V | tail -n 1)
[ -x "$bin/initdb" ] || bin=$(dirname "$(command -v initdb)")
trap finish EXIT

say() { printf '  %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
# That many free ports, below those that the system gives to outgoing connections: one of these could be
# taken by a connection between the choice and the start of the server.
free_ports() {
  python3 - "$1" <<'PY'
import random, socket, sys

held = []
while len(held) < int(sys.argv[1]):
    try:
        held.append(socket.create_server(("127.0.0.1", random.randrange(10000, 32768))))
    except OSError:
        pass
print(*(server.getsockname()[1] for server in held))
PY
}

read -r pg_port redis_port rest_port user_port auth_port ops_gateway ops_user ops_auth < <(free_ports 8)
[ "$(id -u)" != 0 ] || chown postgres "$work"
as_postgres "$bin/initdb" -D "$work/pg" -A trust -U portico >/dev/null
as_postgres "$bin/pg_ctl" -D "$work/pg" -w -l "$work/pg.log" \
  -o "-p $pg_port -c listen_addresses=127.0.0.1 -k $work" start >/dev/null
for db in users auth; do "$bin/createdb" -h 127.0.0.1 -p "$pg_port" -U portico "$db"; done
redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --dir "$work" >"$work/redis.log" &

USER__DATABASE_URL=postgres://portico@127.0.0.1:$pg_port/users
AUTH__DATABASE_URL=postgres://portico@127.0.0.1:$pg_port/auth
CACHE__REDIS_URL=redis://127.0.0.1:$redis_port
AUTH__MASTER_KEY=$(head -c 32 /dev/urandom | base64)
AUTH__BOOTSTRAP_ADMIN_EMAIL=root@example.org
AUTH__BOOTSTRAP_ADMIN_PASSWORD=$(head -c 18 /dev/urandom | base64)
GATEWAY__LISTEN=127.0.0.1:$rest_port AUTH__ISSUER=http://127.0.0.1:$rest_port
# So that a rotation happens while tokens are verified.
AUTH__KEY_ROTATION_SECONDS=20
USER__LISTEN=127.0.0.1:$user_port USER__URL=http://127.0.0.1:$user_port
AUTH__LISTEN=127.0.0.1:$auth_port AUTH__URL=http://127.0.0.1:$auth_port
export USER__DATABASE_URL AUTH__DATABASE_URL CACHE__REDIS_URL AUTH__MASTER_KEY
export AUTH__ISSUER AUTH__KEY_ROTATION_SECONDS GATEWAY__LISTEN USER__LISTEN USER__URL AUTH__LISTEN AUTH__URL
export AUTH__BOOTSTRAP_ADMIN_EMAIL AUTH__BOOTSTRAP_ADMIN_PASSWORD

# As the tests build them, so that nothing is built twice.
cargo test --workspace --locked --quiet --no-run
target=${CARGO_TARGET_DIR:-target}/debug
"$target/portico-user" migrate
"$target/portico-auth" migrate
declare -A ops=([gateway]=$ops_gateway [user]=$ops_user [auth]=$ops_auth)
for service in user auth gateway; do
  OPS__LISTEN=127.0.0.1:${ops[$service]} "$target/portico-$service" serve >"$work/$service.log" 2>&1 &
done
for port in "${ops[@]}"; do
  for _ in $(seq 100); do
    curl -fsS -o /dev/null "http://127.0.0.1:$port/ready" 2>/dev/null && break
    sleep 0.1
  done
  curl -fsS "http://127.0.0.1:$port/ready" >/dev/null || fail "nothing is ready on port $port"
done

rest=http://127.0.0.1:$rest_port/api/v1
post() { curl -sS -X POST -H 'content-type: application/json' -d "$2" "$rest/$1"; }
json() { python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$1"; }
token_of() { post auth/login "{\"email\": \"$1\", \"password\": \"$2\"}" | json accessToken; }

admin=
for _ in $(seq 100); do
  admin=$(token_of "$AUTH__BOOTSTRAP_ADMIN_EMAIL" "$AUTH__BOOTSTRAP_ADMIN_PASSWORD")
  [ -z "$admin" ] || break
  sleep 0.1
done
[ -n "$admin" ] || fail 'the first administrator cannot sign in'

say 'the journeys pass over REST'
E2E_URL=http://127.0.0.1:$rest_port E2E_ADMIN_EMAIL=$AUTH__BOOTSTRAP_ADMIN_EMAIL \
  E2E_ADMIN_PASSWORD=$AUTH__BOOTSTRAP_ADMIN_PASSWORD \
  cargo test --workspace --locked --quiet a_running_system_passes >"$work/journeys.log" 2>&1 \
  || { cat "$work/journeys.log"; fail 'the journeys do not pass'; }
grep -q '1 passed' "$work/journeys.log" || fail 'no journey ran'

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

say "other people's OAuth libraries complete their flows"
PORTICO_URL=http://127.0.0.1:$rest_port PORTICO_ADMIN_EMAIL=$AUTH__BOOTSTRAP_ADMIN_EMAIL \
  PORTICO_ADMIN_PASSWORD=$AUTH__BOOTSTRAP_ADMIN_PASSWORD deploy/interop/oauth/run.sh
