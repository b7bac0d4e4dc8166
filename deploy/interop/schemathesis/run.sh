#!/usr/bin/env bash
# Holds the reference against the system that serves it: /openapi.json must be OpenAPI 3.1, and schemathesis
# must find nothing with all of its checks, first without a token and then as the administrator. Starts
# `portico` on free ports and a throwaway folder, and ends with everything gone.
# Needs: python3, curl and the workspace's binaries (built here). What is installed goes into a temporary folder.
set -euo pipefail

examples=20 seed=1 build=1 reports=''
usage() {
  cat <<'USAGE'
usage: run.sh [options]
  --examples N      how many requests schemathesis makes up for each operation (20)
  --seed N          what it makes them up from (1); with `random`, another one each time
  --no-build        take target/debug/portico as it is
  --reports FOLDER  keep what was asked and answered there
USAGE
}
while [ $# -gt 0 ]; do
  case $1 in
    --examples) examples=$2 && shift ;;
    --seed) seed=$2 && shift ;;
    --no-build) build=0 ;;
    --reports) mkdir -p "$2" && reports=$(realpath "$2") && shift ;;
    --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/debug
work=$(mktemp -d)
system=''
finish() {
  status=$?
  trap - EXIT
  [ -z "$system" ] || kill "$system" 2>/dev/null || true
  wait 2>/dev/null || true
  [ "$status" = 0 ] || tail -n 5 "$work/portico.log" >&2 || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2 && exit 1; }

[ "$build" = 0 ] || (cd "$root" && cargo build --workspace --locked --quiet --bins)
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"

read -r port ops_port < <(python3 - <<'PY'
import socket

held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(server.getsockname()[1] for server in held))
PY
)
url=http://127.0.0.1:$port
export PORTICO_ADMIN_EMAIL=root@example.org PORTICO_ADMIN_PASSWORD
PORTICO_ADMIN_PASSWORD=$(head -c 18 /dev/urandom | base64)
# Counted as always, and too large to be reached: a refusal would hide what stands behind it.
limit=address:50000000/1m
env "GATEWAY__LISTEN=127.0.0.1:$port" "OPS__LISTEN=127.0.0.1:$ops_port" "AUTH__ISSUER=$url" \
  "AUTH__BOOTSTRAP_ADMIN_EMAIL=$PORTICO_ADMIN_EMAIL" "AUTH__BOOTSTRAP_ADMIN_PASSWORD=$PORTICO_ADMIN_PASSWORD" \
  "GATEWAY__RATE_LIMITS=public=$limit,authenticated=$limit,credentials=$limit,tokens=$limit,refused=$limit" \
  RUST_LOG=warn "$target/portico" serve --data-dir "$work/data" >"$work/portico.log" 2>&1 &
system=$!
for _ in $(seq 150); do
  ! curl -sf "$url/ready" >/dev/null || break
  sleep 0.1
done
curl -sf "$url/ready" >/dev/null || fail 'the system did not come up'
curl -sf "$url/openapi.json" -o "$work/openapi.json"

printf '  the reference is OpenAPI 3.1\n'
"$work/venv/bin/openapi-spec-validator" --schema 3.1 "$work/openapi.json" >"$work/valid" || {
  cat "$work/valid"
  fail 'it is not'
}

# ask NAME OPTION…: schemathesis over the whole reference.
ask() {
  local name=$1 options=(--checks all --max-examples "$examples" --suppress-health-check all --request-timeout 10)
  shift
  [ "$seed" = random ] || options+=(--seed "$seed")
  [ -z "$reports" ] || options+=(--report "ndjson,junit" --report-dir "$reports/$name")
  (cd "$work" && PYTHONPATH=$here SCHEMATHESIS_HOOKS=hooks PYTHONDONTWRITEBYTECODE=1 "$work/venv/bin/schemathesis" "$@" run "$url/openapi.json" "${options[@]}") >"$work/$name.txt" 2>&1 || {
    cat "$work/$name.txt"
    fail "schemathesis, $name"
  }
  [ -z "$reports" ] || cp "$work/$name.txt" "$reports"
  sed -n '/SUMMARY/,$p' "$work/$name.txt"
}

printf '  schemathesis without a token\n'
ask strange --config-file "$here/schemathesis.toml"

printf '  schemathesis as the administrator\n'
cat "$here/schemathesis.toml" "$here/signed-in.toml" >"$work/signed-in.toml"
ask signed-in --config-file "$work/signed-in.toml"
kill -0 "$system" || fail 'the system is gone'
! grep -i panicked "$work/portico.log" || fail 'something panicked'
