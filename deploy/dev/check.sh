#!/usr/bin/env bash
# Evaluates the Tiltfile with a Starlark interpreter, on a cluster and on compose, and refuses what Tilt would.
# Needs: python3 with venv, docker compose, kubectl. Installs requirements.txt below target/.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${CARGO_TARGET_DIR:-target}/tiltfile-check
if ! cmp -s deploy/dev/requirements.txt "$venv/requirements.txt"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement deploy/dev/requirements.txt
  cp deploy/dev/requirements.txt "$venv/"
fi
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" deploy/dev/check.py
