#!/usr/bin/env bash
# What the gateway does while nobody takes its spans. README.md says what is measured and what must hold.
# Needs: wrk and curl on PATH.
set -euo pipefail

seconds=60 rounds=4 usual=10 slack=25 connections=16 profile=dist build=1
usage() {
  cat <<'USAGE'
usage: run.sh [options]
  --seconds S       how long the collector hangs, and how long it is away (60)
  --rounds N        how often the usual p99 is measured, for 10 s each (4)
  --slack P         per cent by which p99 may exceed the usual one (25)
  --connections N   connections of wrk (16)
  --profile NAME    cargo profile (dist)
  --no-build        take the binaries as they are
USAGE
}
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=$2 && shift ;;
    --rounds) rounds=$2 && shift ;;
    --slack) slack=$2 && shift ;;
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
target=${CARGO_TARGET_DIR:-$root/target}/$profile
work=$(mktemp -d)
declare -A pids=()

finish() {
  status=$?
  trap - EXIT
  for pid in "${pids[@]}"; do kill -CONT "$pid" 2>/dev/null || true; kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  [ "$status" = 0 ] || tail -n 5 "$work"/*.log >&2
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2 && exit 1; }

for tool in wrk curl; do
  command -v "$tool" >/dev/null || fail "$tool is not on PATH"
done
if [ "$build" = 1 ]; then
  (cd "$root" && cargo build --locked --profile "$profile" -p portico-gateway -p portico-load)
fi

free_ports() {
  local port=20000 found=0
  while [ "$found" -lt "$1" ]; do
    port=$((port + 1 + RANDOM % 40))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && found=$((found + 1)); }
  done
}
mapfile -t ports < <(free_ports 8)
gateway=${ports[0]} ops=${ports[1]} user=${ports[2]} auth=${ports[3]} collector=${ports[4]}

start() {
  local name=$1 && shift
  "$@" >>"$work/$name.log" 2>&1 &
  pids[$name]=$!
}
until_ok() {
  local what=$1 && shift
  for _ in $(seq 100); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  fail "$what did not come up"
}
upstream() {
  local name=$1 user=$2 auth=$3 open=$4
  start "$name" "$target/portico-load" --listen-user "127.0.0.1:$user" --listen-auth "127.0.0.1:$auth" \
    --listen-open "127.0.0.1:$open" --descriptors "$work/$name.binpb" --token "$work/$name.token" \
    --user "$work/$name.user"
  until_ok "$name" bash -c "exec 3<>/dev/tcp/127.0.0.1/$open"
}
# The same program is a user service, and takes spans; as a collector it is a process of its own.
take_spans() { upstream collector "$collector" "${ports[5]}" "${ports[6]}"; }

upstream service "$user" "$auth" "${ports[7]}"
take_spans
# Counted as always, and too large to be reached.
limits='public=address:50000000/1m,authenticated=account:50000000/1m client:50000000/1m'
start gateway env MALLOC_ARENA_MAX=2 "GATEWAY__RATE_LIMITS=$limits" "GATEWAY__LISTEN=127.0.0.1:$gateway" "OPS__LISTEN=127.0.0.1:$ops" \
  "USER__URL=http://127.0.0.1:$user" "AUTH__URL=http://127.0.0.1:$auth" \
  "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$collector" OTEL_TRACES_SAMPLER=always_on \
  "$target/portico-gateway"
bearer="Authorization: Bearer $(cat "$work/service.token")"
url=http://127.0.0.1:$gateway/api/v1/users/$(cat "$work/service.user")
until_ok 'the gateway' curl --fail --silent --header "$bearer" "$url"

# metric NAME: the sum of its series, 0 when there is none.
metric() { curl --fail --silent "http://127.0.0.1:$ops/metrics" | awk -v name="$1" 'index($1, name) == 1 {sum += $2} END {print sum + 0}'; }
resident() { awk '/^VmRSS/ {print $2}' "/proc/${pids[gateway]}/status"; }

# load SECONDS: prints requests/s, p99 in µs and the most resident memory in KB meanwhile; queues stay bounded.
load() {
  local most=0 queued=0 now requests micros faults p99
  wrk --threads 1 --connections "$connections" --duration "$1s" --timeout 10s --header "$bearer" \
    --script "$here/../edge/wrk.lua" "$url" >"$work/wrk.out" &
  local wrk=$!
  while kill -0 "$wrk" 2>/dev/null; do
    now=$(resident) && [ "$now" -le "$most" ] || most=$now
    now=$(metric trace_spans_queued) && [ "$now" -le "$queued" ] || queued=$now
    sleep 0.5
  done
  wait "$wrk"
  read -r _ requests micros faults _ p99 < <(grep ^WRK "$work/wrk.out")
  [ "$faults" = 0 ] || fail "$faults of $requests requests failed"
  [ "$queued" -le 2048 ] || fail "$queued spans were queued"
  echo "$((requests * 1000000 / micros)) $p99 $most"
}
row() { awk -v phase="$1" -v rate="$2" -v p99="$3" -v most="$4" -v dropped="$5" \
  'BEGIN {printf "| `%s` | %d | %.2f | %.1f MB | %d |\n", phase, rate, p99 / 1000, most / 1024, dropped}'; }

printf '| Phase | requests/s | p99 ms | most resident | dropped |\n|---|---|---|---|---|\n'
load 2 >/dev/null
usual_p99=0 usual_most=0 dropped=$(metric trace_spans_dropped_total)
for _ in $(seq "$rounds"); do
  read -r rate p99 most < <(load "$usual")
  [ "$p99" -le "$usual_p99" ] || usual_p99=$p99
  [ "$most" -le "$usual_most" ] || usual_most=$most
done
exported=$(metric trace_spans_exported_total)
[ "$exported" -gt 0 ] || fail 'the collector got nothing'
row there "$rate" "$usual_p99" "$usual_most" "$(($(metric trace_spans_dropped_total) - dropped))"

broken=''
phase() {
  local before rate p99 most lost
  before=$(metric trace_spans_dropped_total)
  read -r rate p99 most < <(load "$seconds")
  lost=$(($(metric trace_spans_dropped_total) - before))
  row "$1" "$rate" "$p99" "$most" "$lost"
  [ "$((p99 * 100))" -le "$((usual_p99 * (100 + slack)))" ] || broken+="p99 while it $1: $p99 µs, usually $usual_p99 µs; "
  [ "$most" -le "$((usual_most + 16 * 1024))" ] || broken+="$most KB resident while it $1, usually $usual_most KB; "
  [ "$lost" -gt 0 ] || broken+="no span was counted as dropped while it $1; "
}
kill -STOP "${pids[collector]}"
phase hangs
kill -CONT "${pids[collector]}"
kill -KILL "${pids[collector]}"
wait "${pids[collector]}" 2>/dev/null || true
phase away

take_spans
exported=$(metric trace_spans_exported_total)
before=$(metric trace_spans_dropped_total)
read -r rate p99 most < <(load 15)
row back "$rate" "$p99" "$most" "$(($(metric trace_spans_dropped_total) - before))"
[ "$(metric trace_spans_exported_total)" -gt "$exported" ] || broken+='nothing was exported once it was back; '
[ -z "$broken" ] || fail "$broken"
printf '\nheld: nobody waited for the collector\n'
