#!/bin/sh
# Makes the passwords of a cluster, once, each readable by the one service that needs it.
#   secrets.sh FOLDER        FOLDER/postgres, FOLDER/swipewatch and FOLDER/grafana are there
# Made anew as long as the last of them, PostgreSQL's, is missing: nothing has been set up with the others then.
set -eu
umask 077
folder=$1

# The users of the images.
POSTGRES_USER_ID=${POSTGRES_USER_ID:-999}
SWIPEWATCH_USER_ID=${SWIPEWATCH_USER_ID:-10001}
GRAFANA_USER_ID=${GRAFANA_USER_ID:-472}

random() {
    head -c 24 /dev/urandom | od -A n -t x1 | tr -d ' \n'
}

# keep OWNER FILE TEXT
keep() {
    rm -f "$2.new"
    printf '%s\n' "$3" >"$2.new"
    chmod 0400 "$2.new"
    chown "$1" "$2.new"
    mv -f "$2.new" "$2"
}

# What the processes that ask for visitors share with the one that remembers them; it may be added to older ones.
if [ ! -e "$folder/swipewatch/visitors" ]; then
    keep "$SWIPEWATCH_USER_ID" "$folder/swipewatch/visitors" "$(random)"
fi
if [ -e "$folder/postgres/password" ]; then
    echo "the passwords are there"
    exit 0
fi
password=$(random)
keep "$GRAFANA_USER_ID" "$folder/grafana/password" "$(random)"
keep "$SWIPEWATCH_USER_ID" "$folder/swipewatch/pgpass" "postgres:5432:swipewatch:swipewatch:$password"
keep "$POSTGRES_USER_ID" "$folder/postgres/password" "$password"
# The services look in without being root.
chmod 0755 "$folder/postgres" "$folder/swipewatch" "$folder/grafana"
echo "the passwords were made"
