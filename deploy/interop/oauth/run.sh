#!/usr/bin/env bash
# Other people's OAuth libraries against the system at PORTICO_URL, which must be its issuer too:
# openid-client, oauth4webapi and jose from npm, Authlib from PyPI. PORTICO_ADMIN_EMAIL and
# PORTICO_ADMIN_PASSWORD name somebody who may make clients. jose waits for a rotation of the signing key,
# for two minutes at most. Needs: node 20, npm, python3. What is installed goes into a temporary folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$here"/package.json "$here"/package-lock.json "$here"/*.mjs "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --silent)
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"

cd "$work"
node jose.mjs >"$work/jose.log" 2>&1 &
jose=$!
node openid-client.mjs
node oauth4webapi.mjs
AUTHLIB_INSECURE_TRANSPORT=1 "$work/venv/bin/python" "$here/authlib_client.py"
wait "$jose" || { cat "$work/jose.log"; exit 1; }
cat "$work/jose.log"
