#!/bin/bash
# What `nc -z HOST PORT` does in scripts that wait for a database, for images whose netcat cannot be installed here.
host='' port='' before=''
for each; do case $before:$each in *:-* | -*w:*) ;; *) host=$port port=$each ;; esac; before=$each; done
case " $* " in
*" -"*z*" "*) ;;
*) host='' ;;
esac
[ "$host" ] || { echo 'nc: without Docker only `nc -z HOST PORT` works' >&2; exit 2; }
if ! getent ahosts "$host" >/dev/null; then
    # As OpenBSD's netcat says it, which is silent about a connection that fails.
    echo "nc: getaddrinfo for host \"$host\" port $port: Name or service not known" >&2
    exit 1
fi
timeout 5 bash -c 'exec 2>/dev/null; : <"/dev/tcp/$0/$1"' "$host" "$port" || exit 1
