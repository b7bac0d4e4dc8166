#!/usr/bin/env bash
# What the buttons of the Tiltfile do, on a system that answers at http://127.0.0.1:3000.
#   act.sh journeys|seed|load compose|cluster
set -euo pipefail
cd "$(dirname "$0")/../.."
url=http://127.0.0.1:3000
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
[ "$#" = 2 ] || fail 'usage: act.sh journeys|seed|load compose|cluster'

email=${ADMIN_EMAIL:-admin@example.com}
case $2 in
  compose) password=$(cat deploy/compose/secrets/admin_password) ;;
  cluster)
    password=$(kubectl --namespace portico-dev get secret portico-auth --output 'jsonpath={.data.admin-password}' | base64 -d)
    ;;
  *) fail "$2 is neither compose nor cluster" ;;
esac

for _ in $(seq 120); do
  curl --fail --silent --output /dev/null "$url/ready" && break
  sleep 1
done
curl --fail --silent --output /dev/null "$url/ready" || fail "$url is not ready"

# The first administrator comes a moment after the services.
token() {
  EMAIL=$email PASSWORD=$password python3 -c 'import json, os; print(json.dumps({"email": os.environ["EMAIL"], "password": os.environ["PASSWORD"]}))' \
    | curl --fail-with-body --silent --show-error --retry 20 --retry-delay 1 --retry-all-errors \
      --header 'content-type: application/json' --data-binary @- "$url/api/v1/auth/login" \
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["accessToken"])'
}

token=$(token)

case $1 in
  journeys)
    E2E_URL=$url E2E_ADMIN_EMAIL=$email E2E_ADMIN_PASSWORD=$password \
      cargo test --workspace --locked --test journeys a_running_system_passes -- --exact
    ;;
  seed)
    # The same people each time; those who are there already are answered as such.
    python3 -c '
import json
for number, name in enumerate(["Ada Lovelace", "Alan Turing", "Grace Hopper", "Edsger Dijkstra", "Barbara Liskov"] * 20):
    given = name.split()[0].lower()
    print(json.dumps({"user": {"email": f"{given}.{number}@example.org", "displayName": name}}))' \
      | curl --fail-with-body --silent --show-error --header "authorization: Bearer $token" \
        --header 'content-type: application/x-ndjson' --data-binary @- "$url/api/v1/users:import" | tail -n 3
    ;;
  load)
    command -v wrk >/dev/null || fail 'wrk is not installed: apt install wrk, brew install wrk'
    wrk --threads 1 --connections 16 --duration 20s --latency --header "authorization: Bearer $token" \
      "$url/api/v1/users/me"
    ;;
  *) fail "$1 is none of journeys, seed and load" ;;
esac
