#!/bin/sh
# Copies the workspace from FROM to TO without what makes it change: manifests as they are, and an empty file for each
# source that cargo must find to take a manifest. What is built of that depends on nothing else.
#   manifests.sh FROM TO
set -eu
from=$1 to=$2

mkdir -p "$to"
cd "$from"
find . \( -name Cargo.toml -o -name Cargo.lock \) -type f | while read -r file; do
  mkdir -p "$to/$(dirname "$file")"
  cp "$file" "$to/$file"
done
find . \( -path '*/src/main.rs' -o -path '*/src/bin/*.rs' -o -path '*/benches/*.rs' -o -name build.rs \) -type f \
  | while read -r file; do
    mkdir -p "$to/$(dirname "$file")"
    echo 'fn main() {}' >"$to/$file"
  done
find . -path '*/src/lib.rs' -type f | while read -r file; do
  mkdir -p "$to/$(dirname "$file")"
  : >"$to/$file"
done
