#!/usr/bin/env bash
# Signs an image, or refuses one that is not signed. Keyless: the certificate says which workflow of which repository did.
#   signature.sh sign IMAGE@DIGEST
#   signature.sh verify IMAGE@DIGEST IDENTITY     IDENTITY: what the workflow's address begins with
# Needs: cosign, and to sign, a workflow that may ask for an identity.
set -euo pipefail
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
[[ ${2:-} =~ @sha256:[0-9a-f]{64}$ ]] || fail 'usage: signature.sh sign|verify IMAGE@sha256:… [IDENTITY]'
case "$1 $#" in
  'sign 2')
    cosign sign --yes "$2"
    [ -z "${GITHUB_STEP_SUMMARY:-}" ] || echo "$2" >>"$GITHUB_STEP_SUMMARY"
    ;;
  'verify 3')
    # The address is no expression: its dots are dots.
    # shellcheck disable=SC2001,SC2016 # an expression with a dollar in it
    identity=$(sed 's/[][\.|$(){}?+*^]/\\&/g' <<<"$3")
    cosign verify "$2" --certificate-oidc-issuer https://token.actions.githubusercontent.com \
      --certificate-identity-regexp "^$identity" >/dev/null
    echo "$2 is signed by $3"
    ;;
  *) fail 'usage: signature.sh sign|verify IMAGE@sha256:… [IDENTITY]' ;;
esac
