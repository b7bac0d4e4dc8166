#!/usr/bin/env bash
# Compares REST edges before one and the same user service, in alternating rounds: Portico's gateway in
# three states, Envoy's grpc_json_transcoder, and no edge at all. README.md says how to read the figures.
# Needs: wrk, h2load, envoy, jq and curl on PATH.
set -euo pipefail

rounds=3 seconds=5 warmup=1 connections=32 profile=dist build=1 edge_cpus='' load_cpus='' out=''
usage() {
  cat <<'USAGE'
usage: run.sh [options]
  --rounds N        how often each edge is measured (3)
  --seconds S       how long one measurement takes (5)
  --connections N   connections of wrk, calls in flight of h2load (32)
  --profile NAME    cargo profile of the gateway and the upstream (dist)
  --no-build        take the binaries as they are
  --edge-cpus LIST  pin the edges to these cores, as taskset writes them
  --load-cpus LIST  pin the load and the user service to these
  --out FILE        keep the single measurements as CSV
USAGE
}
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2 && shift ;;
    --seconds) seconds=$2 && shift ;;
    --connections) connections=$2 && shift ;;
    --profile) profile=$2 && shift ;;
    --no-build) build=0 ;;
    --edge-cpus) edge_cpus=$2 && shift ;;
    --load-cpus) load_cpus=$2 && shift ;;
    --out) out=$(realpath "$2") && shift ;;
    --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/$profile
work=$(mktemp -d)
declare -A pids=() urls=()

finish() {
  status=$?
  trap - EXIT
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  [ "$status" = 0 ] || tail -n 5 "$work"/*.log >&2
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT

fail() { printf 'FAILED: %s\n' "$*" >&2 && exit 1; }
say() { printf '%s\n' "$*" >&2; }

for tool in wrk h2load envoy jq curl; do
  command -v "$tool" >/dev/null || fail "$tool is not on PATH"
done
if [ "$build" = 1 ]; then
  (cd "$root" && cargo build --locked --profile "$profile" -p portico-gateway -p portico-load)
fi

on_edge=() on_load=()
[ -z "$edge_cpus" ] || on_edge=(taskset -c "$edge_cpus")
[ -z "$load_cpus" ] || on_load=(taskset -c "$load_cpus")

# --- what runs

free_ports() {
  local port=20000 found=0
  while [ "$found" -lt "$1" ]; do
    port=$((port + 1 + RANDOM % 40))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && found=$((found + 1)); }
  done
}
mapfile -t ports < <(free_ports 8)
user_port=${ports[0]} open_port=${ports[1]} auth_port=${ports[6]}

# start NAME COMMAND…: in the background, its output in a log of that name.
start() {
  local name=$1 && shift
  "$@" >"$work/$name.log" 2>&1 &
  pids[$name]=$!
}

# until_ok WHAT COMMAND…: for half a minute at most.
until_ok() {
  local what=$1 && shift
  for _ in $(seq 300); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  fail "$what did not come up"
}

start upstream "${on_load[@]}" "$target/portico-load" \
  --listen-user "127.0.0.1:$user_port" --listen-auth "127.0.0.1:$auth_port" \
  --listen-open "127.0.0.1:$open_port" \
  --descriptors "$work/open.binpb" --token "$work/token" --user "$work/user"
until_ok 'the user service' bash -c "exec 3<>/dev/tcp/127.0.0.1/$open_port"
user=$(cat "$work/user")

# Counted as always, and too large to be reached.
limits='public=address:50000000/1m,authenticated=account:50000000/1m client:50000000/1m'

# gateway NAME PORT [VARIABLE=VALUE…]: with the allocator set as in the image (deploy/docker/Dockerfile).
gateway() {
  local name=$1 port=$2 && shift 2
  start "$name" env MALLOC_ARENA_MAX=2 "GATEWAY__LISTEN=127.0.0.1:$port" OPS__LISTEN=127.0.0.1:0 \
    "GATEWAY__RATE_LIMITS=$limits" \
    "USER__URL=http://127.0.0.1:$user_port" "AUTH__URL=http://127.0.0.1:$auth_port" \
    "UPSTREAMS=open=http://127.0.0.1:$open_port" "$@" \
    "${on_edge[@]}" "$target/portico-gateway"
}

# Translation alone: routes that ask for no token, and neither spans nor log lines.
gateway alone "${ports[2]}" RUST_LOG=off
urls[alone]=http://127.0.0.1:${ports[2]}/open/v1
# What everybody gets: token, limits, metrics, and spans for the log lines.
gateway checked "${ports[3]}"
urls[checked]=http://127.0.0.1:${ports[3]}/api/v1
# The same with a collector, and nothing said about sampling: a tenth of all requests is recorded.
gateway traced "${ports[4]}" "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$user_port"
urls[traced]=http://127.0.0.1:${ports[4]}/api/v1
# Every request is.
gateway recorded "${ports[7]}" "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$user_port" \
  OTEL_TRACES_SAMPLER=always_on
urls[recorded]=http://127.0.0.1:${ports[7]}/api/v1

sed -e "/^#/! {s|LISTEN_PORT|${ports[5]}|; s|DESCRIPTORS|$work/open.binpb|; s|UPSTREAM_PORT|$open_port|}" \
  "$here/envoy.yaml" >"$work/envoy.yaml"
start envoy "${on_edge[@]}" envoy --config-path "$work/envoy.yaml" --concurrency "$(nproc)" \
  --log-level warning --disable-hot-restart
urls[envoy]=http://127.0.0.1:${ports[5]}/open/v1

edges=(envoy alone checked traced recorded)
cases=(one page)
declare -A paths=([one]="/users/$user" [page]='/users')
declare -A queries=([one]="" [page]="?pageSize=100")
bearer="Authorization: Bearer $(cat "$work/token")"
url() { echo "${urls[$1]}${paths[$2]}${queries[$2]}"; }
resident() { awk '/^VmRSS/ {print $2}' "/proc/${pids[$1]}/status"; }

declare -A rest=()
for edge in "${edges[@]}"; do
  until_ok "$edge" curl --fail --silent --header "$bearer" "$(url "$edge" one)"
  rest[$edge]=$(resident "$edge")
done

# An edge that answers something else would win for nothing.
for case in "${cases[@]}"; do
  for edge in "${edges[@]}"; do
    curl --fail --silent --show-error --header "$bearer" "$(url "$edge" "$case")" |
      jq --sort-keys . >"$work/$edge.$case.json"
    cmp "$work/envoy.$case.json" "$work/$edge.$case.json" || fail "$edge answers $case differently"
  done
done
[ "$(jq '.users | length' "$work/envoy.page.json")" = 100 ] || fail 'the page is not one of 100'

# --- measuring

hertz=$(getconf CLK_TCK)
# Ticks of user and system time of a process; fields are counted behind the name, which may hold spaces.
ticks() { sed 's/.*) //' "/proc/${pids[$1]}/stat" | awk '{print $12 + $13}'; }
# Busy and all ticks of the machine.
machine() { awk '/^cpu / {all = 0; for (i = 2; i <= 9; i++) all += $i; print all - $5 - $6, all}' /proc/stat; }

# What other programs on the machine take while nothing is measured, in percent of all cores.
others() {
  local busy0 all0 busy1 all1
  read -r busy0 all0 < <(machine)
  sleep 1
  read -r busy1 all1 < <(machine)
  echo $((100 * (busy1 - busy0) / (all1 - all0)))
}

load() {
  "${on_load[@]}" wrk --threads 1 --connections "$connections" --duration "$3s" --timeout 10s \
    --header "$bearer" --script "$here/wrk.lua" "$(url "$1" "$2")"
}

measure() {
  local edge=$1 case=$2 before after requests micros faults p50 p99
  load "$edge" "$case" "$warmup" >/dev/null
  before=$(ticks "$edge")
  load "$edge" "$case" "$seconds" >"$work/wrk.out"
  after=$(ticks "$edge")
  read -r _ requests micros faults p50 p99 < <(grep ^WRK "$work/wrk.out")
  [ "$faults" = 0 ] || fail "$edge: $faults of $requests requests failed"
  awk -v r="$requests" -v us="$micros" -v cpu="$((after - before))" -v hz="$hertz" -v OFS=, \
    -v round="$round" -v edge="$edge" -v case="$case" -v p50="$p50" -v p99="$p99" \
    -v rss="$(resident "$edge")" \
    'BEGIN {print round, edge, case, r / us * 1e6, p50, p99, cpu / hz * 1e6 / r, rss}'
}

# A gRPC call's body: no compression, the length, and the request with its one field.
printf '\x00\x00\x00\x00\x26\x0a\x24%s' "$user" >"$work/one.grpc"
printf '\x00\x00\x00\x00\x02\x08\x64' >"$work/page.grpc"
declare -A rpcs=([one]=GetUser [page]=ListUsers)

direct() {
  local case=$1 url=http://127.0.0.1:$open_port/open.load.v1.OpenUserService/${rpcs[$1]}
  rm -f "$work/h2load.times"
  "${on_load[@]}" h2load --clients 2 --max-concurrent-streams $((connections / 2)) \
    --duration "$seconds" --warm-up-time "$warmup" --data "$work/$case.grpc" \
    --header 'content-type: application/grpc' --header 'te: trailers' \
    --log-file "$work/h2load.times" "$url" >"$work/h2load.out"
  grep -q ' 0 failed, 0 errored' "$work/h2load.out" || fail 'the gRPC client saw failures'
  local rate half most
  rate=$(awk '/^finished in/ {print $4}' "$work/h2load.out")
  read -r half most < <(awk '{print $3}' "$work/h2load.times" | sort -n |
    awk '{t[NR] = $1} END {print t[int((NR + 1) / 2)], t[int(NR * 0.99) + 1]}')
  echo "$round,direct,$case,$rate,$half,$most,0,0"
}

csv=${out:-$work/measured.csv}
echo 'round,edge,case,requests_per_second,p50_us,p99_us,cpu_us_per_request,rss_kb' >"$csv"
busiest=0
for round in $(seq "$rounds"); do
  busy=$(others)
  [ "$busy" -le "$busiest" ] || busiest=$busy
  say "round $round of $rounds (others take $busy % of the machine)"
  for case in "${cases[@]}"; do
    for edge in "${edges[@]}"; do measure "$edge" "$case" >>"$csv"; done
    direct "$case" >>"$csv"
  done
done

# --- saying it

resting=''
for edge in "${edges[@]}"; do resting+="$edge=${rest[$edge]} "; done
printf '%s cores of %s, Linux %s, %s; profile %s\n' "$(nproc)" \
  "$(sed -n '/^model name/ {s/.*: //p; q}' /proc/cpuinfo)" "$(uname -r)" \
  "$(envoy --version | sed -n 's|.*version: [^/]*/\([^/]*\)/.*|Envoy \1|p')" "$profile"
printf '%s rounds of %s s, %s connections on loopback; others took up to %s %% of the machine between rounds\n' \
  "$rounds" "$seconds" "$connections" "$busiest"
[ -z "$edge_cpus$load_cpus" ] || printf 'edges on cores %s, the load and the service on %s\n' \
  "${edge_cpus:-all}" "${load_cpus:-all}"
awk -v resting="$resting" -f "$here/report.awk" "$csv"
