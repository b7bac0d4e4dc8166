#!/usr/bin/env bash
# Holds the workflows to what they promise, and tries the scripts that they run.
# Needs: git, kubernetes-validate (for its Python).
set -euo pipefail
cd "$(dirname "$0")/../.."
deploy/python.sh deploy/release/workflows.py .github/workflows
deploy/release/check.py
