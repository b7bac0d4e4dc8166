#!/usr/bin/env bash
# Signs an image, or refuses one that is not signed. Keyless: the certificate says which workflow of which repository did,
# and on what. Only the main branch and a version's tag count, since whoever may push a branch may change the workflow there.
#   signature.sh sign IMAGE@DIGEST
#   signature.sh verify IMAGE@DIGEST WORKFLOW     WORKFLOW: its address, such as https://github.com/…/release.yml
# Needs: cosign, and to sign, a workflow that may ask for an identity.
set -euo pipefail
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
[[ ${2:-} =~ @sha256:[0-9a-f]{64}$ ]] || fail 'usage: signature.sh sign|verify IMAGE@sha256:… [WORKFLOW]'
# A registry knows names in lower case alone, and an owner's may be otherwise.
image=${2,,}
case "$1 $#" in
  'sign 2')
    cosign sign --yes "$image"
    [ -z "${GITHUB_STEP_SUMMARY:-}" ] || echo "$image" >>"$GITHUB_STEP_SUMMARY"
    ;;
  'verify 3')
    # The address is no expression: its dots are dots.
    # shellcheck disable=SC2001,SC2016 # an expression with a dollar in it
    workflow=$(sed 's/[][\.|$(){}?+*^]/\\&/g' <<<"$3")
    cosign verify "$image" --certificate-oidc-issuer https://token.actions.githubusercontent.com \
      --certificate-identity-regexp "^$workflow@refs/(heads/main|tags/v[0-9][0-9A-Za-z.-]*)\$" >/dev/null
    echo "$image is signed by $3"
    ;;
  *) fail 'usage: signature.sh sign|verify IMAGE@sha256:… [WORKFLOW]' ;;
esac
