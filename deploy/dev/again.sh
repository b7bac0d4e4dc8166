#!/bin/sh
# Runs a binary that serves, and anew each time that it is replaced. Anything but `serve` runs once.
#   again.sh BINARY [ARGUMENT…]
set -eu
binary=$1
[ "${2:-serve}" = serve ] || exec "$@"

stamp() { stat -c '%i %Y %s' "$binary" 2>/dev/null || echo none; }
child=
stopping=
stop() {
  stopping=1
  kill -TERM "$child" 2>/dev/null || true
}
trap stop TERM INT

# Ends the process with this number once there is another binary, whole and unchanged for a moment.
watch() {
  while [ "$(stamp)" = "$2" ]; do sleep 0.3; done
  was=
  until [ "$(stamp)" = "$was" ] && [ -x "$binary" ]; do
    was=$(stamp)
    sleep 0.3
  done
  kill -TERM "$1"
}

while :; do
  running=$(stamp)
  "$@" &
  child=$!
  watch "$child" "$running" &
  watcher=$!
  code=0
  wait "$child" || code=$?
  # A signal ends the waiting, not the process.
  if [ -n "$stopping" ]; then
    code=0
    wait "$child" || code=$?
  fi
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  if [ -n "$stopping" ] || [ "$(stamp)" = "$running" ]; then
    exit "$code"
  fi
  echo "again.sh: a new $binary" >&2
done
