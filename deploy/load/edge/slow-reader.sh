#!/usr/bin/env bash
# How much memory the gateway takes while somebody reads a million rows slowly. The rows come from
# `acme-orders`, the example of another team's service. Needs: curl on PATH.
set -euo pipefail

profile=dist build=1 readers=1 seconds=20 limit=30
usage() {
  cat <<'USAGE'
usage: slow-reader.sh [options]
  --seconds S       how long the reader is slow, before it reads the rest as fast as it can (20)
  --readers N       how many read at once (1)
  --limit MB        the most memory that passes (30)
  --profile NAME    cargo profile of the gateway and the service (dist)
  --no-build        take the binaries as they are
USAGE
}
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=$2 && shift ;;
    --readers) readers=$2 && shift ;;
    --limit) limit=$2 && shift ;;
    --profile) profile=$2 && shift ;;
    --no-build) build=0 ;;
    --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

rows=1000000
root=$(cd "$(dirname "$0")/../../.." && pwd)
folder=$profile
[ "$profile" != dev ] || folder=debug
target=${CARGO_TARGET_DIR:-$root/target}/$folder
work=$(mktemp -d)
pids=()

finish() {
  status=$?
  trap - EXIT
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  [ "$status" = 0 ] || tail -n 5 "$work"/*.log >&2 || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2 && exit 1; }

if [ "$build" = 1 ]; then
  (cd "$root" && cargo build --locked --profile "$profile" -p portico-gateway -p acme-orders)
fi

free_ports() {
  local port=20000 found=0
  while [ "$found" -lt "$1" ]; do
    port=$((port + 1 + RANDOM % 40))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && found=$((found + 1)); }
  done
}
mapfile -t ports < <(free_ports 3)
edge=http://127.0.0.1:${ports[1]}
nobody=http://127.0.0.1:${ports[2]}

"$target/acme-orders" --listen "127.0.0.1:${ports[0]}" >"$work/orders.log" 2>&1 &
pids+=($!)
env "GATEWAY__LISTEN=127.0.0.1:${ports[1]}" OPS__LISTEN=127.0.0.1:0 "USER__URL=$nobody" "AUTH__URL=$nobody" \
  "UPSTREAMS=orders=http://127.0.0.1:${ports[0]}" "$target/portico-gateway" >"$work/gateway.log" 2>&1 &
gateway=$!
pids+=("$gateway")
for _ in $(seq 100); do
  ! curl -sf "$edge/api/v1/products" >/dev/null || break
  sleep 0.1
done
curl -sf "$edge/api/v1/products" >/dev/null || fail 'the service is not mounted'

# memory FIELD: of the gateway, in MB.
memory() { awk -v field="$1:" '$1 == field { printf "%.1f", $2 / 1024 }' "/proc/$gateway/status"; }

# read_slowly FILE: 64 KiB every tenth of a second, and then the rest; the number of rows goes into the file.
read_slowly() {
  curl -sSN "$edge/api/v1/orders:export?count=$rows" | {
    for _ in $(seq $((seconds * 10))); do
      dd bs=65536 count=1 iflag=fullblock status=none
      sleep 0.1
    done
    cat
  } | wc -l >"$1"
}

rest=$(memory VmRSS)
reading=()
for reader in $(seq "$readers"); do
  read_slowly "$work/rows.$reader" &
  reading+=($!)
done
sleep "$seconds"
slow=$(memory VmHWM)
for pid in "${reading[@]}"; do wait "$pid"; done
peak=$(memory VmHWM)
for reader in $(seq "$readers"); do
  read -r got <"$work/rows.$reader"
  [ "$got" = "$rows" ] || fail "a reader got $got of $rows rows"
done

printf '%s reader(s) of %s rows, slow for %s s\n' "$readers" "$rows" "$seconds"
printf '%-34s %6s MB\n' 'RSS at rest' "$rest" 'peak while read slowly' "$slow" 'peak until everything was read' "$peak"
awk -v peak="$peak" -v limit="$limit" 'BEGIN { exit !(peak < limit) }' || fail "$peak MB are not under $limit MB"
