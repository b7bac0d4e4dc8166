#!/usr/bin/env bash
# Makes every alert fire by its fault, on the real processes, and end with it. Rules have their windows divided by 20
# (shorten.py), so that it takes minutes; everything is on loopback and ends by itself.
#   run.sh            all faults, about a quarter of an hour
#   run.sh WORD…      those whose name in faults.py has one of the words
# Prints a line for each alert: by what, after how many seconds, and what it said. PORTICO_BIN names the folder of the
# binaries (else they are built). Needs what deploy/interop/system.sh needs, prometheus, psql, openssl, wrk and prlimit.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=deploy/prometheus
export PYTHONDONTWRITEBYTECODE=1

# shellcheck source=deploy/interop/system.sh
. deploy/interop/system.sh
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement $here/drill/requirements.txt
python=$work/venv/bin/python

read -r prometheus_port otlp_port collector_port smtp_port ghosts_port < <(free_ports 5)
# Small enough to be filled, and fast enough to be waited for.
export AUTH__HASHING_THREADS=1 AUTH__HASHING_QUEUE=4 USER__POOL_SIZE=4 GATEWAY__WORKERS=1
export AUTH__KEY_ROTATION_SECONDS=20 AUTH__REFRESH_GRACE_SECONDS=1
# So that a flood meets the queue and the counters instead of a limit.
export AUTH__GUESSES_PER_ACCOUNT=0 AUTH__GUESSES_PER_ADDRESS=0 AUTH__MAILS_PER_ADDRESS=0 AUTH__MAILS_PER_ACCOUNT=0
# The mail server is the drill's own.
export AUTH__SMTP_URL="smtp://127.0.0.1:$smtp_port?tls=opportunistic" AUTH__REQUIRE_VERIFIED_EMAIL=false
export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$otlp_port UPSTREAMS=ghosts=http://127.0.0.1:$ghosts_port
export OTEL_TRACES_SAMPLER=parentbased_always_on

# A CA, and the certificate that the three processes show each other: `certificate.sh DAYS` makes another one.
mkdir "$work/tls"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=drill \
  -keyout "$work/tls/ca.key" -out "$work/tls/ca.pem" 2>/dev/null
TLS_FOLDER=$work/tls $here/drill/certificate.sh 90
export TLS__CA_FILE=$work/tls/ca.pem TLS__CERT_FILE=$work/tls/cert.pem TLS__KEY_FILE=$work/tls/key.pem

start_stores
export USER__URL=https://127.0.0.1:$user_port AUTH__URL=https://127.0.0.1:$auth_port
start_services
"$python" $here/drill/shorten.py $here/rules "$work/rules" 20
"$python" $here/check/loopback.py $here/prometheus.yml "$work/rules" "$work/prometheus.yml" \
  gateway="127.0.0.1:${ops[gateway]}" user="127.0.0.1:${ops[user]}" auth="127.0.0.1:${ops[auth]}" \
  collector="127.0.0.1:$collector_port" localhost=
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" --log.level=warn \
  --web.listen-address="127.0.0.1:$prometheus_port" --web.enable-lifecycle >>"$work/prometheus.log" 2>&1 &
wait_for "http://127.0.0.1:$prometheus_port/-/ready" 100 prometheus

export REST=$rest WORK=$work ADMIN_EMAIL=$admin_email ADMIN_PASSWORD=$admin_password PORTICO_BIN
export POSTGRES_BIN=$postgres_bin TLS_FOLDER=$work/tls
export PROMETHEUS=http://127.0.0.1:$prometheus_port PROMETHEUS_CONFIG=$work/prometheus.yml
export REST_PORT=$rest_port PG_PORT=$pg_port REDIS_PORT=$redis_port OTLP_PORT=$otlp_port SMTP_PORT=$smtp_port
export COLLECTOR_PORT=$collector_port GHOSTS_PORT=$ghosts_port
export OPS_GATEWAY_PORT=${ops[gateway]} OPS_USER_PORT=${ops[user]} OPS_AUTH_PORT=${ops[auth]}
export PID_GATEWAY=${pids[gateway]} PID_USER=${pids[user]} PID_AUTH=${pids[auth]} PID_REDIS=${pids[redis]}
"$python" $here/drill/drill.py "$@"
