#!/usr/bin/env bash
# Python with a YAML parser, for the checks: kubernetes-validate's own, which they need anyway.
#   python.sh FILE [ARGUMENT…]
set -euo pipefail
validator=$(command -v kubernetes-validate) || { echo 'missing: kubernetes-validate' >&2; exit 1; }
exec "$(dirname "$(readlink -f "$validator")")/python" "$@"
