#!/usr/bin/env bash
# Whether the auth service keeps its word under load, on PostgreSQL: that times tell nobody who has an account,
# that a storm of sign-ins harms nobody, and that a family of refresh tokens survives whoever races.
# ../README.md says more. Needs: curl, h2load, jq, python3 and PostgreSQL's programs.
set -euo pipefail

profile=dist build=1 rounds=10000 seconds=20 threads=$(($(nproc) / 2)) checks=()
[ "$threads" -gt 0 ] || threads=1
usage() {
  cat <<'USAGE'
usage: checks.sh [options] [timing] [storm] [family]   (all of them when none is named)
  --rounds N        rounds of 32 refreshes of one family (10000)
  --seconds S       how long the storm lasts (20)
  --threads N       threads that hash, in the service and for the rate that it is held against (half of the
                    processors: clients, PostgreSQL, gateway and user service run on this machine too)
  --profile NAME    cargo profile of the processes (dist)
  --no-build        take the binaries as they are
USAGE
}
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2 && shift ;;
    --seconds) seconds=$2 && shift ;;
    --threads) threads=$2 && shift ;;
    --profile) profile=$2 && shift ;;
    --no-build) build=0 ;;
    --help) usage && exit ;;
    timing | storm | family) checks+=("$1") ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done
[ ${#checks[@]} -gt 0 ] || checks=(timing storm family)

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/load/identity/system.sh
. "$here/system.sh"
need curl h2load jq python3
compile
database
export AUTH__HASHING_THREADS=$threads
system

for check in "${checks[@]}"; do
  case $check in
    timing) python3 "$here/timing.py" "$url" ;;
    storm)
      python3 "$here/storm.py" "$url" "$seconds" "$target/examples/argon2" "$threads"
      ;;
    family)
      # A second auth service and gateway on the same database, so that racers meet in it alone.
      other=http://127.0.0.1:$(free_port)
      pair_at "$other" -2
      python3 "$here/family.py" "$url" "$other" --rounds "$rounds"
      ;;
  esac
done
