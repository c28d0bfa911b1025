#!/bin/sh
# Installs a tool that a Dockerfile takes from an image or a script of the internet when it is first run.
name=${0##*/}
if ! [ -x "/.machine/tools/bin/$name" ]; then
    case $name in uvx) package=uv ;; *) package=$name ;; esac
    { [ -d /.machine/tools ] || /usr/local/bin/python3 -m venv /.machine/tools; } || exit 1
    /.machine/tools/bin/python -m pip install --quiet "$package" >&2 || exit 1
fi
exec "/.machine/tools/bin/$name" "$@"
