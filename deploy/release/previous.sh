#!/usr/bin/env bash
# The release before this one: the newest tag v* behind HEAD, or, before there was one, the commit that `previous` names.
#   previous.sh commit    prints its commit
#   previous.sh build     builds its three services and its journeys, once, and prints the folder with the binaries
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

name=$(git describe --tags --abbrev=0 --match 'v[0-9]*' HEAD^ 2>/dev/null) || name=$(<deploy/release/previous)
commit=$(git rev-parse --verify --quiet "$name^{commit}") \
  || fail "$name is not in this clone: fetch its history (git fetch --unshallow --tags)"

case ${1:-} in
  commit)
    echo "$commit"
    exit
    ;;
  build) ;;
  *) fail 'usage: previous.sh commit | build' ;;
esac

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
folder=$target/previous/$commit
mkdir -p "$target/previous"
# One build at a time.
exec 9>"$target/previous/lock"
flock 9
if [ ! -x "$folder/bin/journeys" ]; then
  rm -rf "$folder"
  mkdir -p "$folder/source" "$folder/target/debug"
  git archive "$commit" | tar -x -C "$folder/source"

  # What both releases depend on is built already, if this one is. Its own crates bear the same names in both, so they
  # must not share a folder.
  if [ -d "$target/debug/.fingerprint" ]; then
    (
      cd "$target/debug"
      find .fingerprint build deps -mindepth 1 -maxdepth 1 \( -path 'deps/lib*' -o -path 'deps/*.d' -o -type d \) \
        ! -name '*portico*' ! -name '*acme*' -print0
    ) | tar -C "$target/debug" --null --files-from=- --create | tar -x -C "$folder/target/debug"
  fi

  # With a test among the targets, the features are those of `cargo test`, and so are the dependencies.
  (
    cd "$folder/source"
    CARGO_TARGET_DIR=$folder/target CARGO_INCREMENTAL=0 cargo build --locked --workspace --bins --test journeys \
      --message-format=json-render-diagnostics >"$folder/built.json"
  ) >&2
  mkdir "$folder/bin.new"
  python3 - "$folder" <<'PY'
import json, pathlib, shutil, sys

folder = pathlib.Path(sys.argv[1])
wanted = {"portico-gateway", "portico-user", "portico-auth", "journeys"}
for line in (folder / "built.json").read_text().splitlines():
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] in wanted:
        wanted.discard(built["target"]["name"])
        shutil.copy2(built["executable"], folder / "bin.new" / built["target"]["name"])
if wanted:
    sys.exit(f"not built: {', '.join(sorted(wanted))}")
PY
  rm -rf "$folder/source" "$folder/target" "$folder/built.json"
  mv "$folder/bin.new" "$folder/bin"
fi
echo "$folder/bin"
