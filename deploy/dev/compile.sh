#!/usr/bin/env bash
# Compiles the three services without optimisation, in the container that images are compiled in, and leaves each that
# changed in target/tilt/SERVICE. The first time takes minutes, a change seconds: volumes keep what is compiled.
# NATIVE=1 compiles with the cargo of this machine instead, which must be a Linux whose C library is not newer than
# Debian 12's.
set -euo pipefail
cd "$(dirname "$0")/../.."
services=(gateway user auth)
for service in "${services[@]}"; do
  mkdir -p "target/tilt/$service"
  cp -p deploy/dev/again.sh "target/tilt/$service/"
done

if [ "${NATIVE:-}" = 1 ]; then
  cargo build --locked --bins -p portico-gateway -p portico-user -p portico-auth
  from=${CARGO_TARGET_DIR:-target}/debug
else
  docker build --quiet --file deploy/docker/Dockerfile --target toolchain --tag portico-toolchain . >/dev/null
  from=target/tilt/compiled
  mkdir -p "$from"
  # Debug information would make the binaries four times as large, and they are sent into the containers.
  docker run --rm --volume "$PWD:/portico:ro" --volume "$PWD/$from:/out" \
    --volume portico-tilt-registry:/usr/local/cargo/registry --volume portico-tilt-target:/target \
    --env CARGO_PROFILE_DEV_STRIP=debuginfo --env CARGO_TERM_COLOR=always portico-toolchain sh -c '
      cargo build --locked -p portico-gateway -p portico-user -p portico-auth \
        --bin portico-gateway --bin portico-user --bin portico-auth \
      && cp /target/*/debug/portico-gateway /target/*/debug/portico-user /target/*/debug/portico-auth /out \
      && chown "$(stat -c %u:%g /out)" /out/*'
fi

for service in "${services[@]}"; do
  to=target/tilt/$service/portico
  cmp -s "$from/portico-$service" "$to" && continue
  install -m 755 "$from/portico-$service" "$to.new"
  mv "$to.new" "$to"
  echo "$to is new"
done
