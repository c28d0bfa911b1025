#!/bin/sh
# Stands for a program in the RUN lines of a Dockerfile that are run without Docker. It is found before all others.
# What this machine cannot install is noted and succeeds; a file that it would have brought may then be missing.
name=${0##*/}
noted=/.machine/left-out # Where it is not empty, something is missing.
real() { PATH=${PATH#*/.machine/stubs:} "$name" "$@"; }
for last; do :; done

# Notes whose files are; with -R those below them, too.
own() {
    deep='-maxdepth 0' owner=''
    for each; do
        case $each in
        --recursive | -*R*) deep='' ;;
        -*) ;;
        *)
            if [ -z "$owner" ]; then owner=$each; continue; fi
            case $each in /*) ;; *) each=$PWD/$each ;; esac
            find "$each" $deep -printf "$owner %p\n" >>/.machine/owners || return
            ;;
        esac
    done
}

# Adds each word that may be the name of a user: an option's value that looks like one does no harm.
add() {
    id=$((1000 + $(wc -l </etc/passwd))) home='' before=''
    for each; do
        case $before in -u | --uid) id=$each ;; -d | -h | --home | --home-dir) home=$each ;; esac
        before=$each
    done
    for each; do
        case $each in
        *[!a-zA-Z0-9_.-]* | [!a-zA-Z_]*) ;;
        *)
            echo "$each:x:$id:$id::${home:-/home/$each}:/bin/sh" >>/etc/passwd
            mkdir -p "${home:-/home/$each}" && own -R "$each" "${home:-/home/$each}"
            ;;
        esac
    done
}

# install may not set an owner or a group: they are taken out of its arguments, and the owner is noted.
if [ "$name" = install ]; then
    owner='' left=$#
    while [ $left -gt 0 ]; do
        left=$((left - 1))
        case $1 in
        -o) owner=$2 left=$((left - 1)) && shift ;;
        -g) left=$((left - 1)) && shift ;;
        --owner=*) owner=${1#*=} ;;
        --group=*) ;;
        *) set -- "$@" "$1" ;;
        esac
        shift
    done
fi

case "$name $1" in
"dpkg --print-architecture") uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/'; exit ;;
"apk --print-arch") uname -m; exit ;;
esac
case $name in
chgrp | setcap | usermod | groupadd | addgroup | groupmod | passwd | ldconfig | update-ca-certificates) exit ;;
useradd | adduser) add "$@"; exit ;;
su | runuser)
    while [ $# -gt 0 ] && [ "$1" != -c ]; do shift; done
    [ "$1" != -c ] || exec /bin/sh -c "$2"
    exit
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
bash | sh)
    for each; do
        case $each in
        -*c*) break ;;
        [-+]*) ;;
        *)
            # A script that was left out does nothing.
            [ ! -s $noted ] || [ -e "$each" ] || { echo "$name $*" >>$noted; exit 0; }
            break
            ;;
        esac
    done
    exec "/bin/$name" "$@"
    ;;
chmod | chown | cp | gunzip | install | ln | mv | rm | sed | sha256sum | tar | touch | unzip)
    case $name in
    chown) own "$@" ;;
    install) real "$@" && { [ -z "$owner" ] || own "$owner" "$last"; } ;;
    *) real "$@" ;;
    esac && exit
    code=$?
    [ -s $noted ] || exit $code
    echo "$name $*" >>$noted
    ;;
*)
    case "$name $1" in "apt-get clean" | "apt-get autoremove" | "apt clean" | "apt autoremove") exit ;; esac
    echo "$name $*" >>$noted
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
