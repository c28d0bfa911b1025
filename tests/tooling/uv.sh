# A uv that notes what it is asked and makes a venv at once; BREAK names the step that fails.
[ "$1" != --version ] || exit 0
echo "$@" >>"$NOTES/uv"
[ "${BREAK:-}" != "$1" ] || { echo "no route to the index" >&2; exit 1; }
[ "${SLOW:-}" != "$1" ] || { echo $$ >"$NOTES/slow"; exec sleep 600; }
[ "${PAUSE:-}" != "$1" ] || sleep 1
[ "$1" = pip ] || for folder; do :; done
[ "$1" = pip ] || exec "$PYTHON" -m venv --without-pip "$folder"
