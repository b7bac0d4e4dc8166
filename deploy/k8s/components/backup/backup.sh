#!/usr/bin/env bash
# Saves both databases and puts them back.
#   backup.sh save FOLDER      a new folder below FOLDER, named by the time; prints it
#   backup.sh verify BACKUP    whether all of it is there as it was saved, and opens with the master key at hand
#   backup.sh restore BACKUP   into two empty databases, with all services stopped
#   backup.sh align            after a restore by other means, with all services stopped: has the auth service read again
#                              what it may have missed
# Takes what the services take: USER__DATABASE_URL, AUTH__DATABASE_URL and AUTH__MASTER_KEY, or each as …_FILE.
# Needs the client programs of PostgreSQL, not older than the servers.
set -euo pipefail
shopt -s inherit_errexit
umask 077
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

setting() { # name
  local file="$1_FILE"
  if [ -n "${!1:-}" ]; then
    printf '%s' "${!1}"
  elif [ -n "${!file:-}" ]; then
    printf '%s' "$(<"${!file}")"
  else
    fail "$1 or $file is missing"
  fi
}

decoded() { printf '%b' "${1//%/\\x}"; }

# Runs a program with a database's URL in its environment, where no list of processes shows the password.
at() ( # user or auth, program, arguments
  pattern='^postgres(ql)?://(([^:@/]*)(:([^@/]*))?@)?(\[([^]]*)\]|([^:/?]*))(:([0-9]+))?/([^?]*)(\?(.*))?$'
  url=$(setting "$(tr '[:lower:]' '[:upper:]' <<<"$1")__DATABASE_URL")
  [[ $url =~ $pattern ]] || fail "the URL of the database $1 is none of postgres://user:password@host:port/name"
  PGUSER=$(decoded "${BASH_REMATCH[3]}") PGPASSWORD=$(decoded "${BASH_REMATCH[5]}") PGDATABASE=$(decoded "${BASH_REMATCH[11]}")
  PGHOST=${BASH_REMATCH[7]}${BASH_REMATCH[8]} PGPORT=${BASH_REMATCH[10]:-5432}
  for part in ${BASH_REMATCH[13]//&/ }; do
    case $part in
      sslmode=* | ssl-mode=*) PGSSLMODE=$(decoded "${part#*=}") ;;
      sslrootcert=* | ssl-root-cert=*) PGSSLROOTCERT=$(decoded "${part#*=}") ;;
    esac
  done
  export PGUSER PGPASSWORD PGDATABASE PGHOST PGPORT PGSSLMODE PGSSLROOTCERT PGCONNECT_TIMEOUT=15 PGAPPNAME=portico-backup
  shift
  exec "$@"
)
query() { at "$1" psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --command "$2"; }

# What tells one key from another and betrays neither: they are 256 random bits.
fingerprints() {
  setting AUTH__MASTER_KEY | tr ',' '\n' | while read -r key || [ -n "$key" ]; do printf '%s' "$key" | sha256sum | cut -c1-16; done
}

# How far the auth service has followed the user service, and how far there is anything to follow.
cursor() { query auth "SELECT COALESCE(MAX(sequence), 0) FROM feed_cursors"; }
newest() {
  query user "SELECT GREATEST((SELECT COALESCE(MAX(sequence), 0) FROM outbox),
    (SELECT COALESCE(MAX(removed_through), 0) FROM feed_bounds WHERE name = 'outbox'))"
}

save() {
  local name
  backup=$1/$(date --utc +%Y%m%dT%H%M%SZ)
  [ ! -e "$backup" ] || fail "$backup is there already"
  mkdir -p "$1"
  mkdir "$backup.partial"
  # What was begun and not ended is no backup. (The trap sees no local variable.)
  trap 'rm -rf "$backup.partial"' EXIT
  {
    echo 'format 1'
    date --utc '+began %Y-%m-%dT%H:%M:%SZ'
    fingerprints | sed 's/^/master-key /'
  } >"$backup.partial/manifest"
  # The auth service follows the user service. Saved first, it is behind, and catches up with what it finds; saved last,
  # it would take what comes after for what it has seen.
  for name in auth user; do
    at "$name" pg_dump --format=custom --no-owner --no-privileges --file "$backup.partial/$name.dump"
    query "$name" "SELECT '$name ' || current_setting('server_version') || ' '
      || (SELECT count(*) FROM seaql_migrations) || ' migrations'" >>"$backup.partial/manifest"
  done
  date --utc '+ended %Y-%m-%dT%H:%M:%SZ' >>"$backup.partial/manifest"
  (cd "$backup.partial" && sha256sum manifest auth.dump user.dump >SHA256SUMS && sync manifest auth.dump user.dump SHA256SUMS)
  mv "$backup.partial" "$backup"
  trap - EXIT
  echo "$backup"
}

verify() {
  local known lost
  [ -f "$1/SHA256SUMS" ] || fail "$1 is no backup"
  grep -qx 'format 1' "$1/manifest" || fail "$1 is of a format that this script does not know"
  [ "$(cut -d' ' -f3 "$1/SHA256SUMS" | sort | tr '\n' ' ')" = 'auth.dump manifest user.dump ' ] || fail "$1 is not complete"
  (cd "$1" && sha256sum --check --quiet --strict SHA256SUMS) || fail "$1 is not as it was saved"
  known=$(fingerprints)
  grep -q '^master-key ' "$1/manifest" || fail "$1 does not say of which master key it is"
  # All of them: while one takes over from another, some of what is encrypted opens with this one alone, some with that.
  lost=$(sed -n 's/^master-key //p' "$1/manifest" | grep -vxF "$known" || true)
  [ -z "$lost" ] || fail 'the master key is another one than that of the backup, or lacks one of several: not every factor and signing key opens'
  for name in auth user; do pg_restore --list "$1/$name.dump" >/dev/null || fail "$1/$name.dump cannot be read"; done
}

restore() {
  local name
  verify "$1"
  for name in user auth; do
    [ "$(query "$name" "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'S', 'v')")" = 0 ] \
      || fail "the database $name is not empty: restore into a new one, and keep the old one until all is well"
  done
  for name in user auth; do
    # shellcheck disable=SC2016 # the inner shell knows the database
    at "$name" sh -c 'exec pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --dbname "$PGDATABASE" "$1"' \
      sh "$1/$name.dump"
    query "$name" 'ANALYZE'
  done
  align
}

align() {
  local followed there
  followed=$(cursor)
  there=$(newest)
  if [ "$followed" -gt "$there" ]; then
    # From the beginning: what is still kept is applied again, which changes nothing that is newer, and where it is not,
    # the auth service reads everything afresh.
    query auth 'UPDATE feed_cursors SET sequence = 0'
    echo "the auth database was ahead of the user database ($followed > $there): it follows from the beginning"
  else
    echo "the auth database has $((there - followed)) changes of accounts to catch up with, which it does by itself"
  fi
}

case "${1:-} $#" in
  'save 2' | 'verify 2' | 'restore 2' | 'align 1') "$@" ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
