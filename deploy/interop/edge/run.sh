#!/usr/bin/env bash
# What the edge holds, on real processes: the abuse corpus, h2load and slow connections against one gateway, and one
# limit that two gateways on one Redis keep, while Redis is there, while it is away, and after it is back.
# Needs: h2load, redis-server, curl and python3. Builds the gateway and the user service before which it runs with the
# profile PROFILE (release: what must wait too long is shed, so programs without optimisation show nothing), unless
# NO_BUILD is set. Takes two minutes after that.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=deploy/interop/edge

work=$(mktemp -d)
declare -A pids=()
finish() {
  status=$?
  trap - EXIT
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  [ "$status" = 0 ] || tail -n 15 "$work"/*.log >&2
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
say() { printf '  %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
for tool in h2load redis-server curl python3; do
  command -v "$tool" >/dev/null || fail "$tool is not on PATH"
done

profile=${PROFILE:-release}
target=${CARGO_TARGET_DIR:-target}/$profile
[ -n "${NO_BUILD:-}" ] || cargo build --locked --quiet --profile "$profile" -p portico-gateway -p portico-load

# shellcheck disable=SC2034 # the two gateways find their ports by their names
read -r user auth open one other hard redis < <(python3 - 7 <<'PY'
import random, socket, sys

held = []
while len(held) < int(sys.argv[1]):
    try:
        held.append(socket.create_server(("127.0.0.1", random.randrange(10000, 32768))))
    except OSError:
        pass
print(*(server.getsockname()[1] for server in held))
PY
)

# start NAME COMMAND…: in the background, its output in a log of that name.
start() {
  local name=$1 && shift
  "$@" >>"$work/$name.log" 2>&1 &
  pids[$name]=$!
}
until_ok() {
  local what=$1 && shift
  for _ in $(seq 200); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  fail "$what did not come up"
}
redis() { start redis redis-server --port "$redis" --bind 127.0.0.1 --save '' --dir "$work"; }
# gateway NAME PORT VARIABLE=VALUE…
gateway() {
  local name=$1 port=$2 && shift 2
  start "$name" env "GATEWAY__LISTEN=127.0.0.1:$port" OPS__LISTEN=127.0.0.1:0 GATEWAY__WORKERS=1 \
    "USER__URL=http://127.0.0.1:$user" "AUTH__URL=http://127.0.0.1:$auth" "$@" "$target/portico-gateway"
  until_ok "$name" curl --fail --silent "http://127.0.0.1:$port/ready"
}

start upstream "$target/portico-load" --listen-user "127.0.0.1:$user" --listen-auth "127.0.0.1:$auth" \
  --listen-open "127.0.0.1:$open" --descriptors "$work/open.binpb" --token "$work/token" --user "$work/user"
until_ok 'the user service' bash -c "test -s '$work/user' && exec 3<>/dev/tcp/127.0.0.1/$open"
redis
token=$(cat "$work/token")
path=/api/v1/users/$(cat "$work/user")

# --- abuse

gateway hard "$hard" GATEWAY__HEAD_TIMEOUT_SECONDS=2 GATEWAY__REQUEST_TIMEOUT_SECONDS=3 \
  GATEWAY__RATE_LIMITS='refused=none,public=none,authenticated=none'
say 'the abuse corpus gets what it must'
"$here/abuse.py" 127.0.0.1 "$hard" "$token" gateway/tests/abuse/requests.txt || fail 'the corpus'

# load NAME H2LOAD-OPTION…: 5 seconds of reads, which are all answered.
load() {
  local name=$1 && shift
  timeout 60 h2load --duration 5 --header "authorization: Bearer $token" "$@" \
    "http://127.0.0.1:$hard$path" >"$work/h2load.out" 2>&1 || { cat "$work/h2load.out"; fail "h2load $name"; }
  grep -E '^status codes' "$work/h2load.out" | sed "s|^|    $name: |"
  grep -qE '^status codes: [1-9][0-9]* 2xx, 0 3xx, 0 4xx, 0 5xx' "$work/h2load.out" || { cat "$work/h2load.out"; fail "h2load $name"; }
}
say 'h2load is answered'
load 'HTTP/1.1, 64 connections' --h1 --clients 64
load 'HTTP/2, 8 connections of 32 streams' --clients 8 --max-concurrent-streams 32

say 'slow connections end, and hold up nobody'
"$here/slow-loris.py" 127.0.0.1 "$hard" 2 3 40 | sed 's/^/    /'
kill "${pids[hard]}" && wait "${pids[hard]}" 2>/dev/null || true
unset 'pids[hard]'

# --- one limit for two gateways

# pair LIMIT PERIOD: two gateways that share it.
pair() {
  local name
  for name in one other; do
    if [ -n "${pids[$name]:-}" ]; then kill "${pids[$name]}" && wait "${pids[$name]}" 2>/dev/null || true; fi
    gateway "$name" "${!name}" "CACHE__REDIS_URL=redis://127.0.0.1:$redis" \
      "GATEWAY__RATE_LIMITS=authenticated=account:$1/${2}s,refused=none"
  done
}
# both SECONDS: loads both gateways at once, by one account.
both() {
  local name loads=()
  rm -f "$work"/load.*
  for name in one other; do
    h2load --h1 --clients 4 --duration "$1" --rps 100 --header "authorization: Bearer $token" \
      --log-file "$work/load.$name" "http://127.0.0.1:${!name}$path" >"$work/h2load.$name.out" 2>&1 &
    loads+=($!)
  done
  for load in "${loads[@]}"; do wait "$load" || fail 'h2load'; done
  for name in one other; do
    grep -q ' 0 errored, 0 timeout' "$work/h2load.$name.out" || { cat "$work/h2load.$name.out"; fail 'requests failed'; }
  done
}

say 'two gateways hold one limit for 20 seconds'
pair 2000 10
both 20
"$here/limits.py" 2000 10 "joint:0:20:1+" "$work"/load.* | sed 's/^/    /' || fail 'the joint limit'

say 'Redis is stopped after 10 seconds and comes back, empty, after 20'
pair 400 2
(sleep 10 && kill -9 "${pids[redis]}" && sleep 10 && exec redis-server --port "$redis" --bind 127.0.0.1 --save '' \
  --dir "$work" >>"$work/redis.log" 2>&1) &
pids[again]=$!
both 36
"$here/limits.py" 400 2 "joint:4:9.5:1,each for itself:14:20:2,joint again:25:35:1" "$work"/load.* |
  sed 's/^/    /' || fail 'the limit without Redis'
for name in one other; do
  grep -q 'redis is away' "$work/$name.log" || fail "$name said nothing of Redis"
  grep -q 'redis is back' "$work/$name.log" || fail "$name did not find Redis again"
done
