#!/usr/bin/env bash
# Renders every overlay, each base alone, and on all bases every component, every two of them, and all that go together;
# validates every object, holds pods, ports and policies against each other and the README's tables of flows against the
# rendered policies, and scans for what is unsafe. Needs: kubectl (for `kubectl kustomize`), kubernetes-validate, checkov.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

cmp -s ../otel/collector.yaml components/observe/collector.yaml \
  || fail 'components/observe/collector.yaml is not deploy/otel/collector.yaml: copy it'
for form in component chart; do
  rules=components/service-monitor/rules.yaml
  [ "$form" = component ] || rules=../helm/portico/files/rules.yaml
  ../python.sh check/rules.py "$form" | cmp -s - "$rules" \
    || fail "$rules is not what deploy/prometheus/rules says: check/rules.py $form >$rules"
done

render() { # name, folder
  kubectl kustomize "$2" >"$work/$1.yaml"
  [ -s "$work/$1.yaml" ] || fail "$2 renders nothing"
}

# What somebody's own overlay would be: all bases, with some components.
compose() { # name, components
  local name=$1 folder=$work/overlays/$1 base component
  shift
  mkdir -p "$folder"
  {
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: somewhere\nresources:\n'
    for base in base/*/; do printf '  - %s\n' "$(realpath --relative-to="$folder" "$base")"; done
    cp overlays/prod/settings.yaml "$folder/"
    printf '  - settings.yaml\ncomponents:\n'
    for component in "$@"; do printf '  - %s\n' "$(realpath --relative-to="$folder" "components/$component")"; done
    printf 'images:\n'
    for base in base/*/; do printf '  - {name: portico-%s, newTag: "1"}\n' "$(basename "$base")"; done
    printf 'patches:\n'
    for base in user auth; do
      printf '  - target: {kind: Job, name: portico-%s-migrate}\n    options: {allowNameChange: true}\n' "$base"
      printf '    patch: |-\n      - {op: replace, path: /metadata/name, value: portico-%s-migrate-1}\n' "$base"
    done
  } >"$folder/kustomization.yaml"
  render "$name" "$folder"
}

# Of each of these, one: two ways in, two ways to encrypt, a Redis whose secret is made here or elsewhere, and a collector of
# its own or the platform's.
first=(ingress mutual-tls external-secrets observe)
second=(gateway-api mesh redis traces)
others() { # of the components, those that are none of these
  printf '%s\n' "${components[@]}" | grep -vxFf <(printf '%s\n' "$@")
}
alternatives() { # whether the two are
  local i
  for i in "${!first[@]}"; do
    if [ "$1 $2" = "${first[i]} ${second[i]}" ] || [ "$2 $1" = "${first[i]} ${second[i]}" ]; then return 0; fi
  done
  return 1
}

# What the Tiltfile puts beside `dev`.
mkdir -p "$work/overlays/dev-observe"
printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [%s, %s]\n' \
  "$(realpath --relative-to="$work/overlays/dev-observe" overlays/dev)" \
  "$(realpath --relative-to="$work/overlays/dev-observe" ../dev/observe)" >"$work/overlays/dev-observe/kustomization.yaml"
render dev-observe "$work/overlays/dev-observe"

for overlay in overlays/*/; do render "$(basename "$overlay")" "$overlay"; done
for base in base/*/; do render "base-$(basename "$base")" "$base"; done
mapfile -t components < <(cd components && printf '%s\n' *)
for one in "${!components[@]}"; do
  compose "with-${components[one]}" "${components[one]}"
  for other in "${components[@]:one + 1}"; do
    alternatives "${components[one]}" "$other" || compose "with-${components[one]}-$other" "${components[one]}" "$other"
  done
done
mapfile -t together < <(others "${second[@]}")
compose with-all "${together[@]}"
mapfile -t together < <(others "${first[@]}")
compose with-all-others "${together[@]}"

../python.sh check/validate.py "$work"/*.yaml
../python.sh check/pods.py "$work"/*.yaml
../python.sh check/trial.py "$work/dev-observe.yaml"

# The flows of every rendering must be allowed on both sides; the README shows those of two.
for rendered in "$work"/*.yaml; do
  name=$(basename "$rendered" .yaml)
  ../python.sh check/flows.py <"$rendered" >"$work/$name.flows" || fail "the policies of $name"
done
for overlay in dev prod; do
  sed -n "/<!-- flows: $overlay -->/,/<!-- end -->/p" README.md | sed -n 's/^| \(.* | .* | .*\) |$/\1/p' | tail -n +2 \
    >"$work/$overlay.table"
  diff -u "$work/$overlay.table" "$work/$overlay.flows" \
    || fail "the table of flows of $overlay in README.md is not what the policies say"
done

# What External Secrets is to read is what Terraform makes, each environment its own.
for overlay in staging prod; do
  prefix=$(sed -n 's/^  secrets-prefix: //p' "overlays/$overlay/settings.yaml")
  grep -q "\"$prefix\"" "../terraform/envs/$overlay/main.tf" || fail "Terraform makes no secrets of $overlay below $prefix"
  while read -r secret property; do
    grep -q "\"$property\" *=" ../terraform/modules/secrets/main.tf \
      || fail "Terraform makes no $property in $prefix/$secret"
  done < <(grep -A1 "key: $prefix/" "$work/$overlay.yaml" \
    | sed -n "s|.*key: $prefix/||p; s/.*property: //p" | paste -d' ' - - | grep -v '^smtp ')
done

scan() { # options, and behind -- what
  local options=()
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  mkdir "$work/scan"
  cp "$@" "$work/scan"
  checkov --skip-download --quiet --compact --framework kubernetes --config-file check/checkov.yaml --directory "$work/scan" \
    "${options[@]}" || fail 'checkov: see above'
  rm -r "$work/scan"
}
scan -- "$work"/{prod,staging,with-all,with-all-others}.yaml
# The images of `dev` are built on the machine and have no other tag.
scan --skip-check CKV_K8S_14,CKV_K8S_15,CKV_K8S_43 -- "$work/dev-observe.yaml"
