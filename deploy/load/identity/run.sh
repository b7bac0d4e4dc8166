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
# shellcheck source=deploy/load/identity/system.sh
. "$here/system.sh"
need wrk curl jq python3
compile
database
system

# --- who asks

admin=$(administrator)
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

load() {
  CASE=$1 RUN=$RUN$3 wrk --threads 1 --connections "$connections" --duration "$3s" --timeout 10s \
    --script "$here/wrk.lua" "$url$2"
}

printf '%s cores of %s; profile %s; %s s each, %s connections on loopback\n' "$(nproc)" \
  "$(sed -n '/^model name/ {s/.*: //p; q}' /proc/cpuinfo)" "$profile" "$seconds" "$connections"
"$target/examples/raw_rates" 2>/dev/null || "$target/raw_rates"
printf '%-12s %10s %8s %8s %14s %14s\n' '' requests/s 'p50 ms' 'p99 ms' '/CPU-s auth' '+ gateway'
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
      printf "%-12s %10.0f %8.2f %8.2f %14.0f %14.0f", what, r / us * 1e6, p50 / 1e3, p99 / 1e3, alone, sum
      if (goal) printf "   goal %d: %s", goal, (alone >= goal ? "reached" : "missed")
      if (both) printf ", %d: %s", both, (sum >= both ? "reached" : "missed")
      print ""
      exit (goal && alone < goal) || (both && sum < both)
    }' || missed+=("$case")
}
missed=()
measure grant /oauth2/token 15000 10000
measure refresh /oauth2/token 3000 0
measure introspect /oauth2/introspect 0 0
measure sign-in /api/v1/auth/login 0 0
measure register /api/v1/auth/register 0 0
[ ${#missed[@]} = 0 ] || fail "missed the goal: ${missed[*]}"
