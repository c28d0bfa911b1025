# A Go that notes how it is called and "builds" a pulumi that prints the wanted version.
case "$1" in
  env) echo go1.26.8 ;;
  list) echo "go: downloading example.com/one v1.0.0" >&2; echo one; echo two ;;
  build)
    printf '%s\n' "$@" >"$NOTES/arguments"
    for name in GOTOOLCHAIN GOWORK CGO_ENABLED GOOS GOFLAGS GOPROXY; do eval "echo $name=\${$name-unset}"; done >"$NOTES/env"
    echo "$GOCACHE $GOMODCACHE $GOPATH $GOTMPDIR" >"$NOTES/folders"
    echo build >>"$NOTES/builds"
    PATH=/usr/bin:/bin
    echo cached >"$GOCACHE/file"
    echo one >&2; echo two >&2
    [ -z "${SLOW:-}" ] || sleep "$SLOW"
    while [ "$1" != -o ]; do shift; done
    printf '#!/bin/sh\necho WANTED\n' >"$2"; chmod 755 "$2" ;;
esac
