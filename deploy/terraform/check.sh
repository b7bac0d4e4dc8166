#!/usr/bin/env bash
# Checks format, argument names, tags and policies of the Terraform files, runs the tests of the modules that need no
# provider, and has the chart and an overlay take what they make for them; without a cloud and without a download.
#   TERRAFORM_PROVIDERS=download check.sh     the providers too: validates all of it, runs the other modules' tests, and
#                                             plans each environment on a mock of the cloud
# Needs: terraform, helm, kubectl (for `kubectl kustomize`), checkov; the provider's schema from ../shared/tools is used where it is.
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
  echo 'skipped: argument names and tags by a stored schema (none here)'
fi

# In a copy, since terraform writes beside what it reads.
cp -r modules envs "$work"
in_copy() { # folder of the copy, then a command; says nothing unless it fails
  terraform -chdir="$work/$1" "${@:2}" -no-color >"$work/out" 2>&1 || { cat "$work/out"; fail "terraform $2 in $1"; }
}
run_tests() { # folder
  in_copy "$1" test
  grep -q '^Success! [1-9][0-9]* passed, 0 failed' "$work/out" || { cat "$work/out"; fail "$1 has no tests"; }
  printf '%s: %s\n' "$1" "$(grep '^Success!' "$work/out")"
}
for folder in modules/subnets modules/chart; do
  in_copy "$folder" init -input=false
  run_tests "$folder"
done
if [ "${TERRAFORM_PROVIDERS:-}" = download ]; then
  # Once for all folders, none of which keeps a lock file.
  export TF_PLUGIN_CACHE_DIR=$work/plugins TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE=1
  mkdir "$TF_PLUGIN_CACHE_DIR"
  for folder in modules/* envs/*; do
    in_copy "$folder" init -backend=false -input=false
    in_copy "$folder" validate
    printf '%s: valid\n' "$folder"
    [ ! -d "$folder/tests" ] || run_tests "$folder"
  done
else
  echo 'skipped: terraform validate, and the tests and plans that want a provider (TERRAFORM_PROVIDERS=download has them)'
fi

# What comes out, with every value set, the chart takes and heeds.
in_copy modules/chart apply -auto-approve -input=false \
  -var host=api.example.com -var administrator=ada@example.org -var network_cidr=10.0.0.0/16 -var ingress_namespace=edge \
  -var secrets_prefix=portico/prod -var redis_address=redis.example.com -var image_registry=ghcr.io/octo-org/ \
  -var smtp_url=smtps://portico:secret@mail.example.org -var 'mail_from=Portico <no-reply@example.org>' \
  -var 'databases={user={address="user.example.com",name="portico",password_secret_arn="arn:user"},auth={address="auth.example.com",name="portico",password_secret_arn="arn:auth"}}'
terraform -chdir="$work/modules/chart" output -no-color -raw values >"$work/values.yaml" 2>/dev/null
[ -s "$work/values.yaml" ] || fail 'the module chart makes no values'
helm template portico ../helm/portico --values "$work/values.yaml" >"$work/rendered.yaml"
for value in https://api.example.com @auth.example.com:5432/portico arn:user redis.example.com:6379 portico/prod/auth portico/prod/smtp \
  ada@example.org ghcr.io/octo-org/portico-auth 'kubernetes.io/metadata.name: edge' 'port: 465' no-reply@example.org; do
  grep -qF "$value" "$work/rendered.yaml" || fail "the chart does not heed $value"
done

# And an overlay heeds its settings, where its components look them up.
cp -r ../k8s "$work/k8s"
terraform -chdir="$work/modules/chart" output -no-color -raw kustomize_settings >"$work/k8s/overlays/prod/settings.yaml" 2>/dev/null
kubectl kustomize "$work/k8s/overlays/prod" >"$work/overlay.yaml"
for value in '@user.example.com:5432/portico?sslmode=require' arn:auth '@redis.example.com:6379' portico/prod/auth portico/prod/redis portico/prod/smtp; do
  grep -qF "$value" "$work/overlay.yaml" || fail "the overlay does not heed $value"
done
! grep -qF portico-settings "$work/overlay.yaml" || fail 'the settings are deployed'
! grep -rqF mail.example.org "$work/values.yaml" "$work/rendered.yaml" || fail 'the mail server is told outside of its secret'

checkov --skip-download --directory . --framework terraform --compact --quiet
