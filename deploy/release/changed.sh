#!/usr/bin/env bash
# Prints, as a JSON array, the services whose image a change touches: `changed.sh BASE [HEAD]`. Without a base that
# git knows, all of them. With --output before it, as the output `services` of a workflow's step.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" = --output ]; then
  shift
  services=$(deploy/release/changed.sh "$@")
  echo "services=$services" >>"$GITHUB_OUTPUT"
  exit
fi
base=${1:-} head=${2:-HEAD}
all=(gateway user auth standalone)

print() {
  local names
  names=$(printf '"%s",' "$@")
  printf '[%s]\n' "${names%,}"
}
if [ -z "$base" ] || ! git cat-file -e "$base^{commit}" 2>/dev/null; then
  print "${all[@]}"
  exit
fi

# A crate is touched when a file of it is, or one of a crate that it is made of.
mapfile -t files < <(git diff --no-renames --name-only "$base" "$head")
touched() { # path prefixes
  local file prefix
  for file in "${files[@]}"; do
    for prefix in "$@"; do
      case $file in "$prefix"*) return 0 ;; esac
    done
  done
  return 1
}

common=(Cargo.toml Cargo.lock .dockerignore proto/ deploy/docker/ shared/telemetry/ shared/service/ shared/caller/ shared/cache/)
changed=()
if touched "${common[@]}" gateway/ shared/transcode/; then changed+=(gateway); fi
if touched "${common[@]}" services/user/; then changed+=(user); fi
if touched "${common[@]}" services/auth/; then changed+=(auth); fi
if touched "${common[@]}" gateway/ shared/transcode/ services/; then changed+=(standalone); fi
if [ "${#changed[@]}" = 0 ]; then echo '[]'; else print "${changed[@]}"; fi
