#!/usr/bin/env bash
# The journeys through a running system, for a delivery.
#   journeys.sh build     compiles them, which takes minutes, and wants a key to nothing
#   journeys.sh run       goes through them at E2E_URL as E2E_ADMIN_EMAIL with E2E_ADMIN_PASSWORD
set -euo pipefail
cd "$(dirname "$0")/../.."
case "${1:-} $#" in
  'build 1') cargo test --locked --package portico --test journeys --no-run ;;
  'run 1') cargo test --locked --package portico --test journeys a_running_system_passes -- --exact ;;
  *) printf 'usage: journeys.sh build|run\n' >&2 && exit 2 ;;
esac
