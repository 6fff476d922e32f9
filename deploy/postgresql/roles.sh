#!/bin/sh
# Run once by the PostgreSQL image, while its volume is empty: a role for each part (docs/operators.md,
# Roles). Passwords come from files, and by standard input, so that none stands in an argument.
set -eu

quoted() { # the password in a file, as a literal of SQL
  printf "'%s'" "$(sed "s/'/''/g" "/run/secrets/postgresql-$1")"
}

psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
create role actionsight login password $(quoted actionsight);
create role actionsight_api login password $(quoted api);
create role actionsight_dagster login password $(quoted dagster);
create role actionsight_reader login;
alter role actionsight_api set temp_file_limit = '2GB';
alter role actionsight_reader set temp_file_limit = '2GB';
create database actionsight owner actionsight;
create database dagster owner actionsight_dagster;
revoke all on database actionsight, dagster from public;
grant connect on database actionsight to actionsight_api, actionsight_reader;
grant actionsight_dagster to actionsight;
SQL
