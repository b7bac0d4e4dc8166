#!/bin/sh
# Makes the secrets of docker-compose.yml, each once: what is there is left as it is.
set -eu
umask 022
folder=$(dirname "$0")/secrets
mkdir -p "$folder"
# Containers read the files as users of their own, so the folder keeps others on this machine out.
chmod 700 "$folder"

# The first line of a file, which is made of what the command prints when it is missing.
secret() {
  file=$folder/$1
  shift
  [ -s "$file" ] || "$@" >"$file"
  cat "$file"
}

random() { openssl rand -hex 24; }

for service in user auth; do
  password=$(secret "${service}_database_password" random)
  secret "${service}_database_url" \
    printf 'postgres://portico:%s@postgres-%s:5432/portico\n' "$password" "$service" >/dev/null
done

password=$(secret redis_password random)
secret redis_conf printf 'requirepass %s\nsave ""\nappendonly no\n' "$password" >/dev/null
secret redis_url printf 'redis://:%s@redis:6379\n' "$password" >/dev/null

secret auth_master_key openssl rand -base64 32 >/dev/null
secret admin_password random >/dev/null
secret grafana_password random >/dev/null
