# shellcheck shell=bash
# Sourced: the gateway, the user service and the auth service as three processes on two throwaway PostgreSQL
# databases and a throwaway Redis. Everything listens on loopback and lies in $work, and all of it ends with
# the shell that sourced this.
#   start_stores; start_services    sets $rest, $admin_email, $admin_password, $pg_port, $redis_port, ${ops[SERVICE]}
# Settings that the caller exported before `start_services` stand. PORTICO_BIN names the folder of the binaries;
# without it they are built as the tests build them, so that nothing is built twice. PORTICO_JOURNEYS names the test
# program of the journeys, when it is built already.
# Needs: the PostgreSQL and Redis servers' programs, curl and python3.

work=$(mktemp -d)
postgres_bin=$(for d in /usr/lib/postgresql/*/bin; do echo "$d"; done | sort -V | tail -n 1)
[ -x "$postgres_bin/initdb" ] || postgres_bin=$(dirname "$(command -v initdb)")
# shellcheck disable=SC2034
declare -A ops pids

say() { printf '  %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

finish() {
  status=$?
  trap - EXIT
  # One that was stopped does not hear a TERM.
  # shellcheck disable=SC2046
  kill -CONT $(jobs -p) 2>/dev/null || true
  # shellcheck disable=SC2046
  kill $(jobs -p) 2>/dev/null || true
  as_postgres "$postgres_bin/pg_ctl" -D "$work/pg" -m immediate stop >/dev/null 2>&1 || true
  [ "$status" = 0 ] || tail -n 20 "$work"/*.log
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT

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

# URL, tenths of a second, what it is that should answer
wait_for() {
  for _ in $(seq "$2"); do
    curl -fsS -m 2 -o /dev/null "$1" 2>/dev/null && return
    sleep 0.1
  done
  fail "$3 does not answer at $1"
}

start_redis() {
  redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --dir "$work" >>"$work/redis.log" &
  pids[redis]=$!
}

start_stores() {
  read -r pg_port redis_port rest_port user_port auth_port ops_gateway ops_user ops_auth < <(free_ports 8)
  ops=([gateway]=$ops_gateway [user]=$ops_user [auth]=$ops_auth)
  [ "$(id -u)" != 0 ] || chown postgres "$work"
  as_postgres "$postgres_bin/initdb" -D "$work/pg" -A trust -U portico >/dev/null
  as_postgres "$postgres_bin/pg_ctl" -D "$work/pg" -w -l "$work/pg.log" \
    -o "-p $pg_port -c listen_addresses=127.0.0.1 -k $work" start >/dev/null
  for db in users auth; do "$postgres_bin/createdb" -h 127.0.0.1 -p "$pg_port" -U portico "$db"; done
  start_redis

  admin_email=root@example.org
  admin_password=$(head -c 18 /dev/urandom | base64)
  rest=http://127.0.0.1:$rest_port/api/v1
  export USER__DATABASE_URL=postgres://portico@127.0.0.1:$pg_port/users
  export AUTH__DATABASE_URL=postgres://portico@127.0.0.1:$pg_port/auth
  export CACHE__REDIS_URL=redis://127.0.0.1:$redis_port
  AUTH__MASTER_KEY=$(head -c 32 /dev/urandom | base64)
  export AUTH__MASTER_KEY AUTH__BOOTSTRAP_ADMIN_EMAIL=$admin_email AUTH__BOOTSTRAP_ADMIN_PASSWORD=$admin_password
  export GATEWAY__LISTEN=127.0.0.1:$rest_port AUTH__ISSUER=http://127.0.0.1:$rest_port
  export USER__LISTEN=127.0.0.1:$user_port USER__URL=http://127.0.0.1:$user_port
  export AUTH__LISTEN=127.0.0.1:$auth_port AUTH__URL=http://127.0.0.1:$auth_port

  if [ -z "${PORTICO_BIN:-}" ]; then
    cargo test --workspace --locked --quiet --no-run
    PORTICO_BIN=${CARGO_TARGET_DIR:-target}/debug
  fi
}

spawn() { # one of gateway, user and auth
  OPS__LISTEN=127.0.0.1:${ops[$1]} "$PORTICO_BIN/portico-$1" serve >>"$work/$1.log" 2>&1 &
  # shellcheck disable=SC2034 # for whoever ends one of them
  pids[$1]=$!
}

post() { curl -sS -m 10 -X POST -H 'content-type: application/json' -d "$2" "$rest/$1"; }
json() { python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$1"; }
token_of() { post auth/login "{\"email\": \"$1\", \"password\": \"$2\"}" | json accessToken; }

# Ends when the first administrator can sign in, whose token is then $admin.
start_services() {
  "$PORTICO_BIN/portico-user" migrate
  "$PORTICO_BIN/portico-auth" migrate
  # Each is ready only with the others, so they start together.
  for service in user auth gateway; do
    spawn "$service"
  done
  for service in user auth gateway; do
    wait_for "http://127.0.0.1:${ops[$service]}/ready" 200 "$service"
  done
  admin=
  for _ in $(seq 100); do
    admin=$(token_of "$admin_email" "$admin_password")
    [ -z "$admin" ] || return 0
    sleep 0.1
  done
  fail 'the first administrator cannot sign in'
}

# The journeys over REST, which leave something behind for every counter that they touch.
run_journeys() {
  E2E_URL=http://127.0.0.1:$rest_port E2E_ADMIN_EMAIL=$admin_email E2E_ADMIN_PASSWORD=$admin_password \
    ${PORTICO_JOURNEYS:-cargo test --workspace --locked --quiet} a_running_system_passes >"$work/journeys.log" 2>&1 \
    || { cat "$work/journeys.log"; fail 'the journeys do not pass'; }
  grep -q '1 passed' "$work/journeys.log" || fail 'no journey ran'
}
