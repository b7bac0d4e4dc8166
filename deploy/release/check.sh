#!/usr/bin/env bash
# Holds the workflows to what they promise, Dependabot to everything that others make, and a deliverer's rights to what the
# chart asks for, and tries the scripts.
# Needs: git, helm, kubernetes-validate (for its Python too).
set -euo pipefail
cd "$(dirname "$0")/../.."
deploy/python.sh deploy/release/workflows.py .github/workflows
deploy/python.sh deploy/release/dependabot.py
deploy/python.sh deploy/k8s/check/validate.py deploy/release/deployer.yaml
deploy/python.sh deploy/release/deployer.py deploy/release/deployer.yaml deploy/helm/portico
deploy/release/check.py
