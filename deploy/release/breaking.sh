#!/usr/bin/env bash
# Holds the contract against that of the release before: what it broke would break clients and the services beside it.
set -euo pipefail
cd "$(dirname "$0")/../.."
previous=$(mktemp -d)
trap 'rm -rf "$previous"' EXIT
git archive "$(deploy/release/previous.sh commit)" proto | tar -x -C "$previous"
cd proto
buf breaking --against "$previous/proto"
