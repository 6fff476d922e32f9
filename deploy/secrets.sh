#!/bin/sh
# Makes what compose.yaml mounts as secrets, in deploy/secrets: passwords that nobody has to know, and
# places for those that you have. What is there stays as it is.
set -eu
umask 077
mkdir -p "$(dirname "$0")/secrets"
cd "$(dirname "$0")/secrets"

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
# Files are read in the containers by users that do not own them; the folder is closed.
keep() { [ -e "$1" ] || { cat >"$1" && chmod 0444 "$1"; }; }

for name in postgresql-superuser postgresql-actionsight postgresql-api postgresql-dagster \
  event-buffer-password cache-password secret-key github-webhook-secret; do
  random | keep "$name"
done
for server in event-buffer cache; do
  echo "requirepass $(cat "$server-password")" | keep "$server.conf"
done
url() { echo "postgresql://$1:$(cat "$2")@postgresql/$3"; }
url actionsight postgresql-actionsight actionsight | keep database-url
url actionsight_api postgresql-api actionsight | keep api-database-url
url actionsight_dagster postgresql-dagster dagster | keep dagster-database-url
echo "redis://:$(cat event-buffer-password)@event-buffer:6379/0" | keep redis-url
echo "redis://:$(cat cache-password)@cache:6379/0" | keep cache-url
echo "redis://:$(cat event-buffer-password)@event-buffer:6379/1" | keep runs-broker-url

[ -s github-token ] || echo "Write a GitHub token into $(pwd)/github-token (chmod 0444)." >&2
echo "GitHub signs webhooks with what is in $(pwd)/github-webhook-secret." >&2
