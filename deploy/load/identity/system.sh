# A throwaway system for the checks of this folder, to be sourced: PostgreSQL and the three services on free
# ports. Wants `here`, `profile` and `build` to be set. See ../README.md.
# shellcheck shell=bash disable=SC2034,SC2154 # whoever sources this sets and uses these

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
trap 'exit 130' INT TERM
fail() { printf 'FAILED: %s\n' "$*" >&2 && exit 1; }
need() {
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || fail "$tool is not on PATH"; done
}

compile() {
  [ "$build" = 1 ] || return 0
  (cd "$root" && cargo build --locked --profile "$profile" --bins --examples \
    -p portico-gateway -p portico-user -p portico-auth)
}

# Starts a PostgreSQL of its own with an empty database for each service.
database() {
  pg_port=$(free_port)
  [ "$(id -u)" != 0 ] || chown postgres "$work"
  as_postgres "$bin/initdb" -D "$work/pg" -A trust -U portico >/dev/null
  as_postgres "$bin/pg_ctl" -D "$work/pg" -w -l "$work/pg.log" \
    -o "-p $pg_port -c listen_addresses=127.0.0.1 -k $work" start >/dev/null
  local db
  for db in users auth; do "$bin/createdb" -h 127.0.0.1 -p "$pg_port" -U portico "$db"; done
  export USER__DATABASE_URL=postgres://portico@127.0.0.1:$pg_port/users
  export AUTH__DATABASE_URL=postgres://portico@127.0.0.1:$pg_port/auth
}

free_port() {
  python3 - <<'PY'
import random, socket
while True:
    try:
        with socket.create_server(("127.0.0.1", random.randrange(10000, 32768))) as server:
            print(server.getsockname()[1])
            break
    except OSError:
        pass
PY
}

# Starts a service under a name, and waits until it is ready.
start() { # service, name
  local ops
  ops=$(free_port)
  OPS__LISTEN=127.0.0.1:$ops RUST_LOG=${RUST_LOG:-warn} "$target/portico-$1" serve >"$work/$2.log" 2>&1 &
  pids[$2]=$!
  for _ in $(seq 300); do
    curl -fsS -o /dev/null "http://127.0.0.1:$ops/ready" 2>/dev/null && return
    kill -0 "${pids[$2]}" 2>/dev/null || break
    sleep 0.1
  done
  fail "$2 is not ready"
}

# Everything: the user service, and an auth service with a gateway before it.
system() {
  password=$(head -c 18 /dev/urandom | base64)
  AUTH__MASTER_KEY=$(head -c 32 /dev/urandom | base64)
  local port
  port=$(free_port) url=http://127.0.0.1:$(free_port)
  export AUTH__MASTER_KEY AUTH__ISSUER=$url
  export AUTH__BOOTSTRAP_ADMIN_EMAIL=root@example.org AUTH__BOOTSTRAP_ADMIN_PASSWORD=$password
  export USER__LISTEN=127.0.0.1:$port USER__URL=http://127.0.0.1:$port
  export AUTH__MAIL_DIR=$work/mail
  # Everything comes from one address, which would be guessing.
  export AUTH__GUESSES_PER_ACCOUNT=0 AUTH__GUESSES_PER_ADDRESS=0
  # Counted as always, and too large to be reached.
  local many=address:50000000/1m
  export GATEWAY__RATE_LIMITS="public=$many,authenticated=account:50000000/1m client:50000000/1m,credentials=$many,tokens=$many,refused=$many"
  export AUTH__MAILS_PER_ACCOUNT=0 AUTH__MAILS_PER_ADDRESS=0
  "$target/portico-user" migrate
  "$target/portico-auth" migrate
  pair_at "$url" ''
}

# An auth service and a gateway before it; the user service comes up with the first.
pair_at() { # url, suffix
  local port
  port=$(free_port)
  AUTH__LISTEN=127.0.0.1:$port
  export AUTH__LISTEN AUTH__URL=http://127.0.0.1:$port GATEWAY__LISTEN=${1#http://}
  start auth "auth$2"
  [ -n "${pids[user]:-}" ] || start user user
  start gateway "gateway$2"
}

post() { curl -sS -X POST -H 'content-type: application/json' "${@:3}" -d "$2" "$url/api/v1/$1"; }
account() { jq -nc --arg email "$1" --arg password "$2" '{email: $email, password: $password}'; }

# Waits for the first administrator, and answers her token.
administrator() {
  local token
  for _ in $(seq 100); do
    token=$(post auth/login "$(account root@example.org "$password")" | jq -r '.accessToken // empty')
    if [ -n "$token" ]; then
      echo "$token"
      return
    fi
    sleep 0.1
  done
  fail 'the first administrator cannot sign in'
}

hertz=$(getconf CLK_TCK)
# Ticks of user and system time of a process; fields are counted behind the name, which may hold spaces.
ticks() { sed 's/.*) //' "/proc/${pids[$1]}/stat" | awk '{print $12 + $13}'; }
