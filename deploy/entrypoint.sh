#!/bin/sh
# Runs swipewatch in a container. A part that runs on and ends with 2 or 4 is not started again: starting again does not
# help (docs/failures.md), and Docker's restart policies cannot tell. The container stays, unhealthy, until it is
# restarted or stopped by hand. Everything else ends as it ends.
case "${1-}" in
serve | worker | web | video | visitors) ;;
*) exec swipewatch "$@" ;;
esac

swipewatch "$@" &
part=$!
trap 'kill -TERM "$part" 2>/dev/null; stopped=yes' TERM INT
stopped=
wait "$part"
code=$?
# A signal ends the waiting first; then the part ends.
while kill -0 "$part" 2>/dev/null; do
    wait "$part"
    code=$?
done
if [ -n "$stopped" ] || { [ "$code" -ne 2 ] && [ "$code" -ne 4 ]; }; then
    exit "$code"
fi
echo "swipewatch $1 ended with $code and stays down: do what the line before says, then restart this container" >&2
trap 'exit "$code"' TERM INT
while :; do
    sleep 1 &
    wait $!
done
