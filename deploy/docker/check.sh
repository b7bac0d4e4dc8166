#!/usr/bin/env bash
# Builds the images and holds them to what deploy/README.md says of them.
#   check.sh [IMAGE…]        all four, unless some are named
# PROFILE=release (the default here) or dist, which is what is delivered. WITHIN=90 is how many seconds a service's image
# may take after a change to its sources; without it they are printed alone. DOCKER names the client.
# Needs: a docker client with BuildKit, git, python3. Leaves the images portico-check-*:PROFILE behind, for the next time.
set -euo pipefail
cd "$(dirname "$0")/../.."
profile=${PROFILE:-release}
docker() { command "${DOCKER:-docker}" "$@"; }
limit=$((20 * 1000 * 1000))
work=$(mktemp -d)
started=()
finish() {
  status=$?
  trap - EXIT
  [ "${#started[@]}" = 0 ] || docker rm --force "${started[@]}" >/dev/null 2>&1 || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
images=(gateway user auth standalone)
[ "$#" = 0 ] || images=("$@")

# What git knows, in a folder of its own, so that it can be changed.
sources=$work/sources
mkdir "$sources"
git ls-files -z | tar --null --files-from=- --create | tar -x -C "$sources"
build() { # target; what it says goes to a file
  # Attestations bear the time, so with them no image would stay the same.
  DOCKER_BUILDKIT=1 BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --progress plain --file "$sources/deploy/docker/Dockerfile" --target "$1" \
    --build-arg "PROFILE=$profile" --tag "portico-check-$1:$profile" "$sources" >"$work/$1.log" 2>&1 \
    || { tail -n 40 "$work/$1.log"; fail "the image $1"; }
}
id_of() { docker image inspect --format '{{.Id}}' "portico-check-$1:$profile"; }
inspect() { docker image inspect --format "$2" "portico-check-$1:$profile"; }

for image in "${images[@]}"; do
  began=$SECONDS
  build "$image"
  echo "  $image built in $((SECONDS - began)) s"
done

echo 'what they are'
for image in "${images[@]}"; do
  [ "$(inspect "$image" '{{.Config.User}}')" = 65532:65532 ] || fail "$image runs as $(inspect "$image" '{{.Config.User}}')"
  for label in title description licenses version revision; do
    [ -n "$(inspect "$image" "{{index .Config.Labels \"org.opencontainers.image.$label\"}}")" ] || fail "$image has no label $label"
  done
  inspect "$image" '{{json .Config.Healthcheck.Test}}' | grep -q healthcheck || fail "$image has no health check"
  container=$(docker create "portico-check-$image:$profile")
  started+=("$container")
  docker export "$container" | tar -t >"$work/files"
  ! grep -E '(^|/)(sh|ash|dash|bash|busybox|toybox|apt|apt-get|dpkg|apk)$' "$work/files" || fail "$image holds a shell or a package manager"
  docker save "portico-check-$image:$profile" | tar -x -C "$work" --one-top-level="saved-$image"
  size=$(python3 - "$work/saved-$image" <<'PY'
import gzip, json, pathlib, sys

saved = pathlib.Path(sys.argv[1])
layers = json.loads((saved / "manifest.json").read_text())[0]["Layers"]
print(sum(len(gzip.compress((saved / layer).read_bytes(), 6)) for layer in layers))
PY
)
  rm -rf "$work/saved-$image"
  printf '  %-10s %5.1f MB compressed (%s), user %s, no shell\n' "$image" "$((size / 1000))e-3" "$profile" \
    "$(inspect "$image" '{{.Config.User}}')"
  [ "$size" -le "$limit" ] || fail "$image has $size bytes, more than $limit"
done

echo 'each starts with a read-only root and no capability'
key=$(head -c 32 /dev/urandom | base64)
mkdir -m 777 "$work/data"
run=(--read-only --cap-drop ALL --security-opt no-new-privileges --env DATA_DIR=/data --volume "$work/data:/data" --env "AUTH__MASTER_KEY=$key")
for image in "${images[@]}"; do
  case $image in user | auth) docker run --rm "${run[@]}" "portico-check-$image:$profile" migrate >/dev/null ;; esac
  container=$(docker run --detach "${run[@]}" "portico-check-$image:$profile")
  started+=("$container")
  for _ in $(seq 120); do
    state=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$container")
    [ "$state" = 'running starting' ] || break
    sleep 0.5
  done
  [ "$state" = 'running healthy' ] || { docker logs "$container"; fail "$image is $state"; }
  echo "  $image: healthy"
  docker rm --force "$container" >/dev/null
done

echo 'what a change makes anew'
declare -A before
remember() { for image in "${images[@]}"; do before[$image]=$(id_of "$image"); done; }
rebuilt() { # what changed; then the images that must be made anew
  local image began took compiled want id
  for image in "${images[@]}"; do
    began=$SECONDS
    build "$image"
    took=$((SECONDS - began))
    compiled=$(grep -cE ' Compiling portico' "$work/$image.log" || true)
    ! grep -E ' Compiling ' "$work/$image.log" | grep -vE ' Compiling portico' || fail "$1 compiles dependencies anew"
    id=$(id_of "$image")
    want=no
    case " ${*:2} " in *" $image "*) want=yes ;; esac
    if [ "$want" = no ]; then
      [ "$compiled" = 0 ] && [ "$id" = "${before[$image]}" ] || fail "$1 makes $image anew"
      echo "  $1: $image stays ${id:7:12}"
    else
      [ "$compiled" -gt 0 ] && [ "$id" != "${before[$image]}" ] || fail "$1 does not make $image anew"
      echo "  $1: $image ${before[$image]:7:12} becomes ${id:7:12} in $took s (load $(cut -d' ' -f1 /proc/loadavg), $(nproc) cores)"
      [ "$took" -le "${WITHIN:-$took}" ] || fail "$image took $took s, more than $WITHIN"
    fi
  done
}
# Another one each time, or the builder has it still from the last run and compiles nothing.
change="A change of $(date --utc +%FT%T.%N)."
remember
find "$sources" -type f -exec touch {} +
rebuilt 'touching every file'
echo "// $change" >>"$(find "$sources/gateway/tests" -name '*.rs' | head -n 1)"
echo "$change" >>"$sources/gateway/README.md"
rebuilt 'a test and a README'
for service in "${images[@]}"; do
  # The standalone is made of all three.
  case $service in standalone) continue ;; gateway) folder=gateway ;; *) folder=services/$service ;; esac
  # In every file, since the lines of one may not be told by the binary.
  find "$sources/$folder/src" -name '*.rs' -exec sed -i "1i // $change" {} +
  rebuilt "a change to $service" "$service" standalone
  remember
done
echo 'the images are what they should be'
