#!/usr/bin/env bash
# Checks format, argument names and policies of the Terraform files, without a cloud and without a download.
# Needs: terraform; checkov, and the provider's schema from ../shared/tools, are used where they are.
set -euo pipefail
cd "$(dirname "$0")"
terraform fmt -check -recursive -diff .
tools=${TOOLS_DIR:-$HOME/.cache/portico-tools}
if [ -x "$tools/checkov/bin/python" ] && [ -s "$tools/aws-schema.json" ] && [ -f ../../../shared/tools/tf-schema-check.py ]; then
  "$tools/checkov/bin/python" ../../../shared/tools/tf-schema-check.py check "$tools/aws-schema.json" .
else
  echo 'skipped: argument names (no schema of the provider here)'
fi
if command -v checkov >/dev/null; then
  checkov --skip-download --directory . --framework terraform --compact --quiet
else
  echo 'skipped: checkov (not installed)'
fi
