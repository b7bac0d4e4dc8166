#!/bin/sh
# Compiles what changed, and leaves the binary, if one is named, in /out.
#   compile.sh libraries [FOLDER…]      FOLDERs: what was copied in since the stage before
#   compile.sh BINARY FOLDER…
# All four processes are named each time, since that decides the features that dependencies are built with: with one
# set of them, each is built once. A process that is not compiled here is empty, as manifests.sh left it.
set -eu
what=$1
shift

# Files keep their times when they are copied, and cargo goes by the time: an old one would pass for what is built.
[ "$#" = 0 ] || find "$@" -type f -exec touch {} +

build() {
  cargo build --locked --profile "$PROFILE" \
    --package portico-gateway --package portico-user --package portico-auth --package portico "$@"
}
if [ "$what" = libraries ]; then
  build --lib
else
  build --bin "$what"
  find /target/*-linux-gnu -maxdepth 2 -type f -name "$what" -exec install -D {} "/out/$what" \;
  [ -x "/out/$what" ]
fi
