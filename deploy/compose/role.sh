#!/bin/bash
# Runs once, when PostgreSQL has made its data folder: the role that the service signs in with. It owns the database,
# and so may migrate it; it is no superuser.
set -euo pipefail
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --no-psqlrc \
  --set password="$(cat /run/secrets/database_password)" <<'SQL'
CREATE ROLE portico LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
ALTER DATABASE portico OWNER TO portico;
ALTER SCHEMA public OWNER TO portico;
REVOKE CONNECT ON DATABASE portico FROM PUBLIC;
SQL
