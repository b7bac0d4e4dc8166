#!/bin/sh
# Makes the secrets of docker-compose.yml, each once: what is there is left as it is. Compose runs this first of all;
# by hand it does the same. Each container is given a folder of its own, with copies of what it needs and no more.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
folder=$here/secrets
mkdir -p "$folder"
# Containers read the files as users of their own, so the folder keeps others on this machine out.
chmod 700 "$folder"

# The first line of a file, which is made of what the command prints when it is missing.
secret() {
  file=$folder/$1
  shift
  if [ ! -s "$file" ]; then
    "$@" >"$file.new"
    mv "$file.new" "$file"
  fi
  cat "$file"
}

random() {
  head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'
  echo
}
key() { head -c 32 /dev/urandom | base64; }

# The folder of a container: the name under which it reads each secret, and after a colon the secret's own.
give() {
  to=$folder/$1
  shift
  mkdir -p "$to"
  for each in "$@"; do
    from=$folder/${each#*:}
    cmp -s "$from" "$to/${each%:*}" || cp "$from" "$to/${each%:*}"
  done
}

for service in user auth; do
  # The service's own role owns its database and is no superuser; nobody signs in as the superuser but a person.
  secret "${service}_postgres_password" random >/dev/null
  password=$(secret "${service}_database_password" random)
  secret "${service}_database_url" \
    printf 'postgres://portico:%s@postgres-%s:5432/portico\n' "$password" "$service" >/dev/null
  give "postgres-$service" "postgres_password:${service}_postgres_password" \
    "database_password:${service}_database_password"
done

password=$(secret redis_password random)
secret redis_conf printf 'requirepass %s\nsave ""\nappendonly no\nmaxmemory 96mb\nmaxmemory-policy noeviction\n' \
  "$password" >/dev/null
secret redis_url printf 'redis://:%s@redis:6379\n' "$password" >/dev/null
secret auth_master_key key >/dev/null
secret admin_password random >/dev/null
secret grafana_password random >/dev/null

give redis redis_conf:redis_conf redis_password:redis_password
give gateway redis_url:redis_url
give grafana grafana_password:grafana_password
give user-migrate database_url:user_database_url
give auth-migrate database_url:auth_database_url master_key:auth_master_key
give user database_url:user_database_url redis_url:redis_url
give auth database_url:auth_database_url redis_url:redis_url master_key:auth_master_key admin_password:admin_password

# Made by a container they would be root's; they belong to whoever the clone belongs to.
if [ "$(id -u)" = 0 ]; then
  chown -R "$(stat -c %u:%g "$here")" "$folder"
fi
