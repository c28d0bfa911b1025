#!/usr/bin/env sh
set -e

# Options alone are supervisord's; anything else is a command of its own, as deployCommand is.
if [ $# -eq 0 ] || [ "${1#-}" != "$1" ]; then
  set -- supervisord "$@"
fi
exec "$@"
