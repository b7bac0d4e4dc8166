#!/usr/bin/env bash
# Checks format, argument names, tags and policies of the Terraform files, runs the tests of the modules that need no
# provider, and has the chart take what they make for it; without a cloud and without a download.
# Needs: terraform, helm, checkov; the provider's schema from ../shared/tools is used where it is.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1

terraform fmt -check -recursive -diff .
tools=${TOOLS_DIR:-$HOME/.cache/portico-tools}
if [ -x "$tools/checkov/bin/python" ] && [ -s "$tools/aws-schema.json" ] && [ -f ../../../shared/tools/tf-schema-check.py ]; then
  "$tools/checkov/bin/python" ../../../shared/tools/tf-schema-check.py check "$tools/aws-schema.json" .
  "$tools/checkov/bin/python" tags.py "$tools/aws-schema.json" .
else
  echo 'skipped: argument names and tags (no schema of the provider here)'
fi

# In a copy, since terraform writes beside what it reads.
cp -r modules "$work"
for module in subnets chart; do
  terraform -chdir="$work/modules/$module" init -no-color -input=false >"$work/out" 2>&1 || { cat "$work/out"; fail "$module"; }
  terraform -chdir="$work/modules/$module" test -no-color >"$work/out" 2>&1 || { cat "$work/out"; fail "the tests of $module"; }
  grep -q '^Success! [1-9][0-9]* passed, 0 failed' "$work/out" || { cat "$work/out"; fail "$module has no tests"; }
  printf '%s: %s\n' "$module" "$(grep '^Success!' "$work/out")"
done
terraform -chdir="$work/modules/chart" apply -no-color -auto-approve -input=false \
  -var host=api.example.com -var network_cidr=10.0.0.0/16 -var secrets_prefix=portico/prod -var redis_address=redis.example.com \
  -var 'databases={user={address="user.example.com",name="portico",password_secret_arn="arn:user"},auth={address="auth.example.com",name="portico",password_secret_arn="arn:auth"}}' \
  >"$work/out" 2>&1 || { cat "$work/out"; fail 'values of the chart'; }
terraform -chdir="$work/modules/chart" output -no-color -raw values >"$work/values.yaml" 2>/dev/null
[ -s "$work/values.yaml" ] || fail 'the module chart makes no values'
helm template portico ../helm/portico --values "$work/values.yaml" >"$work/rendered.yaml"
for value in https://api.example.com @auth.example.com:5432/portico arn:user redis.example.com:6379 portico/prod/auth; do
  grep -q "$value" "$work/rendered.yaml" || fail "the chart does not heed $value"
done

checkov --skip-download --directory . --framework terraform --compact --quiet
