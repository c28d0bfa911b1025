#!/bin/sh
# Stands for a program in the RUN lines of a Dockerfile that are run without Docker. It is found before all others.
# What this machine cannot install is noted and succeeds; a file that it would have brought may then be missing.
name=${0##*/}
noted=/.machine/left-out/now
real() { PATH=${PATH#*/.machine/stubs:} "$name" "$@"; }
for last; do :; done
case $name in
chown | chgrp | setcap | usermod | groupadd | addgroup | groupmod | passwd | ldconfig | update-ca-certificates) ;;
useradd | adduser)
    mkdir -p "/home/$last" && echo "$last:x:10001:10001::/home/$last:/bin/sh" >>/etc/passwd
    ;;
su | runuser)
    while [ $# -gt 0 ] && [ "$1" != -c ]; do shift; done
    [ "$1" != -c ] || exec /bin/sh -c "$2"
    ;;
sudo)
    while [ "${1#-}" != "$1" ]; do
        [ "$1" != -u ] || shift
        shift
    done
    exec "$@"
    ;;
gosu | su-exec)
    shift
    exec "$@"
    ;;
chmod | cp | gunzip | install | ln | mv | sed | sha256sum | tar | touch | unzip)
    real "$@" && exit
    code=$?
    [ -e /.machine/lacks ] || exit $code
    echo "$name $*" >>$noted
    ;;
*)
    case "$name $1" in "apt-get clean" | "apt-get autoremove" | "apt clean" | "apt autoremove") exit ;; esac
    echo "$name $*" >>$noted
    [ -e /.machine/lacks ] || : >/.machine/lacks
    case " $* " in
    *" remove "* | *" purge "* | *" del "*) exit ;;
    *netcat*) cp /.machine/nc /usr/local/bin/nc && ln -sf nc /usr/local/bin/netcat ;;
    esac
    case " $* " in
    *" postgresql "* | *" postgresql-client"* | *" postgresql"[0-9]*)
        for each in psql pg_isready pg_dump; do ln -sf /.machine/postgres/bin/$each /usr/local/bin/$each; done
        ;;
    esac
    ;;
esac
exit 0
