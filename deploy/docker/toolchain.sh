#!/bin/sh
# Makes cargo build for the architecture that TARGETARCH names, amd64 or arm64; without one, for this machine's own.
# The compilers run on this machine in either case: crossing is some ten times as fast as an emulated compiler.
set -eu
native=$(dpkg --print-architecture)
arch=${TARGETARCH:-$native}
case $arch in
  amd64) triple=x86_64-unknown-linux-gnu prefix=x86_64-linux-gnu compiler=gcc-x86-64-linux-gnu ;;
  arm64) triple=aarch64-unknown-linux-gnu prefix=aarch64-linux-gnu compiler=gcc-aarch64-linux-gnu ;;
  *)
    echo "TARGETARCH: $arch is neither amd64 nor arm64" >&2
    exit 1
    ;;
esac

linker=cc
if [ "$arch" != "$native" ]; then
  # ring and SQLite are C in part.
  apt-get update
  apt-get install --yes --no-install-recommends "$compiler" "libc6-dev-$arch-cross"
  rm -rf /var/lib/apt/lists/*
  rustup target add "$triple"
  linker=$prefix-gcc
fi

cat >"$CARGO_HOME/config.toml" <<CONFIG
[build]
target = "$triple"
target-dir = "/target"
[target.$triple]
linker = "$linker"
CONFIG
