#!/usr/bin/env bash
# Builds and starts docker-compose.yml as somebody would who has just cloned it, and holds it against its promises:
# healthy, the journeys pass, data survive `down` and `up`, and whichever container dies, it comes back and nothing
# that was acknowledged is lost. Leaves nothing behind. Takes the ports 3000, 9090 to 9092, 50051 and 50052.
#   check.sh
# JOURNEYS=FILE is the compiled test `journeys`; without it cargo builds it. KEEP=1 leaves the system up.
# Needs: docker with compose, python3, curl.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
compose() { docker compose --progress quiet --project-name portico-check "$@"; }
finish() {
  status=$?
  trap - EXIT
  [ "$status" = 0 ] || { compose ps --all; compose logs --tail 15; } || true
  [ "${KEEP:-}" = 1 ] || compose down --volumes --timeout 20 || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
step() { printf '== %s (%s)\n' "$*" "$(date +%T)"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

url=http://127.0.0.1:3000
journal=$work/journal
services=(gateway user auth postgres-user postgres-auth redis)
acknowledged() { deploy/compose/acknowledged.py "$@"; }
container() { compose ps --all --quiet "$1"; }
health() { docker inspect --format '{{if .State.Running}}{{.State.Health.Status}}{{else}}down{{end}}' "$(container "$1")"; }
healthy() { # seconds: within which all of them must be
  local service deadline=$((SECONDS + $1))
  for service in "${services[@]}"; do
    until [ "$(health "$service")" = healthy ]; do
      [ "$SECONDS" -lt "$deadline" ] || fail "$service is $(health "$service") after $1 seconds"
      sleep 0.5
    done
  done
}

step 'up'
began=$SECONDS
compose up --wait --wait-timeout 300
echo "  built and healthy after $((SECONDS - began)) s"
healthy 1
ADMIN_EMAIL=${ADMIN_EMAIL:-admin@example.com}
ADMIN_PASSWORD=$(cat deploy/compose/secrets/admin_password)
export ADMIN_EMAIL ADMIN_PASSWORD

# The first administrator is an account like others: it comes by way of the user service.
acknowledged write "$url" "$journal" 1 >/dev/null

step 'the journeys'
export E2E_URL=$url E2E_ADMIN_EMAIL=$ADMIN_EMAIL E2E_ADMIN_PASSWORD=$ADMIN_PASSWORD
if [ -n "${JOURNEYS:-}" ]; then
  "$JOURNEYS" --exact a_running_system_passes
else
  cargo test --workspace --locked --test journeys a_running_system_passes -- --exact
fi | tee "$work/journeys" | tail -n 3
grep -q '1 passed' "$work/journeys" || fail 'no journey ran'

step 'every port on loopback alone'
for service in $(compose ps --services); do
  bound=$(docker inspect --format '{{json .HostConfig.PortBindings}}' "$(container "$service")")
  ! grep -o '"HostIp":"[^"]*"' <<<"$bound" | grep -v '"127.0.0.1"' || fail "$service listens elsewhere: $bound"
done

step 'down and up'
acknowledged write "$url" "$journal" 5
compose down --timeout 20
compose up --wait --wait-timeout 120
acknowledged verify "$url" "$journal"

for service in "${services[@]}"; do
  step "$service dies while it is written to"
  acknowledged write "$url" "$journal" 12 &
  writer=$!
  sleep 3
  before=$(docker inspect --format '{{.RestartCount}}' "$(container "$service")")
  # From outside of the engine: a container that the engine itself was told to kill is one that it leaves alone.
  docker run --rm --pid host --user root --cap-drop ALL --cap-add KILL --entrypoint sh postgres:17 \
    -c "kill -9 $(docker inspect --format '{{.State.Pid}}' "$(container "$service")")"
  wait "$writer"
  healthy 60
  after=$(docker inspect --format '{{.RestartCount}}' "$(container "$service")")
  [ "$after" -gt "$before" ] || fail "$service was not restarted"
  acknowledged verify "$url" "$journal"

  step "docker compose kill $service, and up"
  acknowledged write "$url" "$journal" 12 &
  writer=$!
  sleep 3
  compose kill "$service"
  sleep 2
  compose up --wait --wait-timeout 120
  wait "$writer"
  healthy 30
  acknowledged verify "$url" "$journal"
done
step 'all of it holds'
