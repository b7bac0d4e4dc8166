#!/usr/bin/env bash
# Format, lint and tests of one service's own crate, as .ci/run has them for all of them: `test.sh SERVICE`, which is
# gateway, user, auth or standalone. The tests start PostgreSQL and Redis themselves, and fail where there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
case "${1:-} $#" in
  'gateway 1' | 'user 1' | 'auth 1') crate=portico-$1 ;;
  'standalone 1') crate=portico ;;
  *) printf 'usage: test.sh gateway|user|auth|standalone\n' >&2 && exit 2 ;;
esac
cargo fmt --package "$crate" --check
cargo clippy --package "$crate" --no-deps --all-targets --locked -- -D warnings
PORTICO_TEST_REQUIRE=postgres,redis cargo test --package "$crate" --locked
