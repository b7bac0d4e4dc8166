#!/usr/bin/env bash
# What the auth service reaches on PostgreSQL with ES256, in requests per CPU-second of its process, and with
# the gateway's added; beside what the machine's bare hashing and signing give. ../README.md says how to
# read it. Needs: wrk, curl, jq, python3 and PostgreSQL's programs.
set -euo pipefail

seconds=5 warmup=1 connections=32 profile=dist build=1
usage() {
  cat <<'USAGE'
usage: run.sh [options]
  --seconds S       how long one measurement takes (5)
  --connections N   connections of wrk (32)
  --profile NAME    cargo profile of the processes (dist)
  --no-build        take the binaries as they are
USAGE
}
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=$2 && shift ;;
    --connections) connections=$2 && shift ;;
    --profile) profile=$2 && shift ;;
    --no-build) build=0 ;;
    --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
folder=$profile
[ "$profile" != dev ] || folder=debug
target=${CARGO_TARGET_DIR:-$root/target}/$folder
work=$(mktemp -d)
declare -A pids=()
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
bin=$(for d in /usr/lib/postgresql/*/bin; do echo "$d"; done | sort -V | tail -n 1)
[ -x "$bin/initdb" ] || bin=$(dirname "$(command -v initdb)")

finish() {
  status=$?
  trap - EXIT
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  as_postgres "$bin/pg_ctl" -D "$work/pg" -m immediate stop >/dev/null 2>&1 || true
  [ "$status" = 0 ] || tail -n 5 "$work"/*.log >&2
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2 && exit 1; }
for tool in wrk curl jq python3; do
  command -v "$tool" >/dev/null || fail "$tool is not on PATH"
done
if [ "$build" = 1 ]; then
  (cd "$root" && cargo build --locked --profile "$profile" -p portico-gateway -p portico-user -p portico-auth &&
    cargo build --locked --profile "$profile" -p portico-auth --example raw_rates)
fi

# --- what runs

read -r pg_port rest_port user_port auth_port ops_gateway ops_user ops_auth < <(python3 - <<'PY'
import random, socket
held = []
while len(held) < 7:
    try:
        held.append(socket.create_server(("127.0.0.1", random.randrange(10000, 32768))))
    except OSError:
        pass
print(*(server.getsockname()[1] for server in held))
PY
)
[ "$(id -u)" != 0 ] || chown postgres "$work"
as_postgres "$bin/initdb" -D "$work/pg" -A trust -U portico >/dev/null
as_postgres "$bin/pg_ctl" -D "$work/pg" -w -l "$work/pg.log" \
  -o "-p $pg_port -c listen_addresses=127.0.0.1 -k $work" start >/dev/null
for db in users auth; do "$bin/createdb" -h 127.0.0.1 -p "$pg_port" -U portico "$db"; done

url=http://127.0.0.1:$rest_port
password=$(head -c 18 /dev/urandom | base64)
export USER__DATABASE_URL=postgres://portico@127.0.0.1:$pg_port/users
export AUTH__DATABASE_URL=postgres://portico@127.0.0.1:$pg_port/auth
AUTH__MASTER_KEY=$(head -c 32 /dev/urandom | base64)
export AUTH__MASTER_KEY AUTH__ISSUER=$url GATEWAY__LISTEN=127.0.0.1:$rest_port
export AUTH__BOOTSTRAP_ADMIN_EMAIL=root@example.org AUTH__BOOTSTRAP_ADMIN_PASSWORD=$password
export USER__LISTEN=127.0.0.1:$user_port USER__URL=http://127.0.0.1:$user_port
export AUTH__LISTEN=127.0.0.1:$auth_port AUTH__URL=http://127.0.0.1:$auth_port
# Everything comes from one address, which would be guessing.
for limit in guesses_per_account guesses_per_address mails_per_address; do
  if "$target/portico-auth" --print-config | grep -q "^$limit"; then export "AUTH__${limit^^}=0"; fi
done
"$target/portico-user" migrate
"$target/portico-auth" migrate
declare -A ops=([gateway]=$ops_gateway [user]=$ops_user [auth]=$ops_auth)
for service in user auth gateway; do
  OPS__LISTEN=127.0.0.1:${ops[$service]} RUST_LOG=warn "$target/portico-$service" serve >"$work/$service.log" 2>&1 &
  pids[$service]=$!
done
for port in "${ops[@]}"; do
  for _ in $(seq 100); do
    curl -fsS -o /dev/null "http://127.0.0.1:$port/ready" 2>/dev/null && break
    sleep 0.1
  done
done

# --- who asks

post() { curl -sS -X POST -H 'content-type: application/json' "${@:3}" -d "$2" "$url/api/v1/$1"; }
account() { jq -nc --arg email "$1" --arg password "$2" '{email: $email, password: $password}'; }
admin=
for _ in $(seq 100); do
  admin=$(post auth/login "$(account root@example.org "$password")" | jq -r '.accessToken // empty')
  [ -z "$admin" ] || break
  sleep 0.1
done
[ -n "$admin" ] || fail 'the first administrator cannot sign in'
client=$(post oauth-clients '{"displayName": "load", "scopes": ["users:read"]}' -H "authorization: Bearer $admin")
id=$(jq -r .client.id <<<"$client") secret=$(jq -r .clientSecret <<<"$client")
BASIC="Basic $(printf '%s:%s' "$id" "$secret" | base64 -w 0)"
TOKEN=$(curl -sS -H "authorization: $BASIC" -d grant_type=client_credentials "$url/oauth2/token" | jq -r .access_token)
ACCOUNT=$(account load@example.org 'a perfectly fine passphrase')
post auth/register "$ACCOUNT" >/dev/null
TOKENS=$work/tokens
for _ in $(seq $((connections * 2))); do
  post auth/login "$ACCOUNT" | jq -r .refreshToken
done >"$TOKENS"
RUN=$RANDOM
export BASIC TOKEN TOKENS ACCOUNT RUN

# --- measuring

hertz=$(getconf CLK_TCK)
# Ticks of user and system time of a process; fields are counted behind the name, which may hold spaces.
ticks() { sed 's/.*) //' "/proc/${pids[$1]}/stat" | awk '{print $12 + $13}'; }
load() {
  CASE=$1 RUN=$RUN$3 wrk --threads 1 --connections "$connections" --duration "$3s" --timeout 10s \
    --script "$here/wrk.lua" "$url$2"
}

printf '%s cores of %s; profile %s; %s s each, %s connections on loopback\n' "$(nproc)" \
  "$(sed -n '/^model name/ {s/.*: //p; q}' /proc/cpuinfo)" "$profile" "$seconds" "$connections"
"$target/examples/raw_rates"
printf '%-20s %10s %8s %8s %14s %14s\n' '' requests/s 'p50 ms' 'p99 ms' '/CPU-s auth' '+ gateway'
measure() { # what, path, goal of auth, goal with the gateway; 0 is none
  local case=$1 path=$2 auth gateway requests micros faults p50 p99
  # Each refresh token is good once: what the warm-up used is gone.
  [ "$case" = refresh ] || load "$case" "$path" "$warmup" >/dev/null
  auth=$(ticks auth) gateway=$(ticks gateway)
  load "$case" "$path" "$seconds" >"$work/wrk.out"
  auth=$(($(ticks auth) - auth)) gateway=$(($(ticks gateway) - gateway))
  read -r _ requests micros faults p50 p99 < <(grep ^WRK "$work/wrk.out")
  [ "$faults" = 0 ] || fail "$case: $faults of $requests requests failed"
  awk -v what="$case" -v r="$requests" -v us="$micros" -v p50="$p50" -v p99="$p99" -v a="$auth" \
    -v g="$gateway" -v hz="$hertz" -v goal="$3" -v both="$4" 'BEGIN {
      alone = r * hz / a; sum = r * hz / (a + g)
      printf "%-20s %10.0f %8.2f %8.2f %14.0f %14.0f", what, r / us * 1e6, p50 / 1e3, p99 / 1e3, alone, sum
      if (goal) printf "   goal %d: %s", goal, alone >= goal ? "reached" : "missed"
      if (both) printf ", %d: %s", both, sum >= both ? "reached" : "missed"
      print ""
    }'
}
measure grant /oauth2/token 15000 10000
measure refresh /oauth2/token 3000 0
measure introspect /oauth2/introspect 0 0
measure sign-in /api/v1/auth/login 0 0
measure register /api/v1/auth/register 0 0
