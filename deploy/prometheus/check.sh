#!/usr/bin/env bash
# Checks everything that watches Portico: rules, objectives, alerts and their runbook, dashboards, the collector's
# configuration. Then starts the three services, runs the journeys, lets a real Prometheus scrape them, and asks it
# every query of every dashboard and every rule.
#   check.sh            everything
#   check.sh static     only what needs nothing running
# Needs: prometheus and promtool, docker compose, python3; for the second part what deploy/interop/system.sh needs.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=deploy/prometheus

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check --requirement $here/check/requirements.txt
python=$tools/bin/python
export PYTHONDONTWRITEBYTECODE=1

promtool check config $here/prometheus.yml >/dev/null
promtool check rules $here/rules/*.yml >/dev/null
promtool test rules $here/tests/*.yml >/dev/null
"$python" deploy/grafana/source/build.py --check
"$python" $here/check/static.py
"$python" $here/check/collector.py
deploy/compose/secrets.sh
docker compose --env-file deploy/compose/observe.env config --format json | "$python" $here/check/compose.py
[ "${1:-}" != static ] || exit 0

# shellcheck source=deploy/interop/system.sh
. deploy/interop/system.sh
trap 'rm -rf "$tools"; finish' EXIT

read -r prometheus_port cluster_port otlp_port collector_port < <(free_ports 4)
"$tools/bin/pip" install --quiet --disable-pip-version-check --requirement $here/drill/requirements.txt
# Takes traces as the collector does, and has a page to be scraped.
"$python" $here/drill/stand_ins.py "$otlp_port" "$collector_port" >>"$work/collector.log" 2>&1 &
export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$otlp_port
start_stores
start_services

start_prometheus() { # folder of the configuration and the data, port
  prometheus --config.file="$1/prometheus.yml" --storage.tsdb.path="$1/data" --log.level=warn \
    --web.listen-address="127.0.0.1:$2" --web.enable-lifecycle >>"$work/prometheus.log" 2>&1 &
  wait_for "http://127.0.0.1:$2/-/ready" 100 prometheus
}
mkdir "$work/local" "$work/cluster"
"$python" $here/check/loopback.py $here/prometheus.yml $here/rules "$work/local/prometheus.yml" \
  gateway="127.0.0.1:${ops[gateway]}" user="127.0.0.1:${ops[user]}" auth="127.0.0.1:${ops[auth]}" \
  collector="127.0.0.1:$collector_port" localhost=
start_prometheus "$work/local" "$prometheus_port"
"$python" $here/check/relabel.py "$work/cluster/prometheus.yml" "${ops[user]}"
start_prometheus "$work/cluster" "$cluster_port"
"$python" $here/check/relabel.py --ask "http://127.0.0.1:$cluster_port"
say 'pods of a cluster become the jobs that rules and dashboards name'

# While it is scraped: rates come from counters that rise.
run_journeys
sleep 10
for service in gateway user auth; do
  curl -fsS "http://127.0.0.1:${ops[$service]}/metrics" | promtool check metrics >"$work/lint.log" \
    || { cat "$work/lint.log"; fail "promtool check metrics complains about $service"; }
done
say 'promtool has no complaint about the metrics of the three services'
"$python" $here/check/live.py "http://127.0.0.1:$prometheus_port"
