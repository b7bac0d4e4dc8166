#!/usr/bin/env bash
# Holds docker-compose.yml, with each of its profiles and with all of them, against three promises: it is clean; what a
# container takes of memory, processes and disk is bounded; and no password that somebody could know reaches a port that
# is not bound to loopback. The last for the overlay `dev` too, whose passwords stand in the tree.
# Needs: docker compose, kubectl, python3.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

mapfile -t profiles < <(docker compose config --profiles)
combinations=("" "${profiles[@]}" "*")
for profile in "${combinations[@]}"; do
  docker compose --profile "$profile" config --quiet 2>&1 | { ! grep .; } || fail "docker compose config, profile '$profile'"
  docker compose --profile "$profile" config --format json | deploy/compose/exposed.py || fail "profile '$profile'"
done

# The secrets: each machine makes its own.
[ -z "$(git ls-files deploy/compose/secrets)" ] || fail 'a secret of docker-compose.yml is in the tree'
first=$(mktemp -d) second=$(mktemp -d)
trap 'rm -rf "$first" "$second"' EXIT
for folder in "$first" "$second"; do
  cp deploy/compose/secrets.sh "$folder/"
  "$folder/secrets.sh"
done
while read -r file; do
  ! cmp -s "$first/$file" "$second/$file" || fail "$file is the same on each machine"
done < <(cd "$first" && find secrets -type f)

# On a cluster nobody reaches `dev` but through the port-forward of whoever may talk to its API.
open=$(kubectl kustomize deploy/k8s/overlays/dev | grep -nE 'type: (NodePort|LoadBalancer)|hostPort:|hostNetwork: true|kind: (Ingress|HTTPRoute)$' || true)
[ -z "$open" ] || fail "deploy/k8s/overlays/dev can be reached from outside: $open"

# A process by itself listens on loopback.
everywhere=$(grep -nE '^listen = ' shared/service/src/config/default.toml | grep -v '"127.0.0.1:' || true)
[ -z "$everywhere" ] || fail "default.toml: $everywhere"
echo "${#combinations[@]} sets of profiles are clean, and nothing is open beyond loopback"
