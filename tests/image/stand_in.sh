#!/bin/sh
# stand_in.sh WORK BUNDLE: makes WORK/root.tar, a stand-in for python:3.13-slim.
#
# It is Debian trixie with its Python 3.13, laid out as the official image is: `python` and `pip` in /usr/local/bin, no
# byte code in the standard library (https://github.com/docker-library/python, 3.13/slim-trixie). It comes from the mirror
# that apt itself uses, and trusts the certificate authorities in BUNDLE: a proxy's own one may be needed for packages.
set -eu
# The caller's own would make files that only root reads, and name a folder that the new root lacks.
umask 022
unset TMPDIR
root=$1/root
# shellcheck disable=SC2016 # apt's own variables
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' | grep -v -- '-security$' | cut -d ' ' -f 1 | head -n 1)
[ -n "$mirror" ] || { echo 'apt names no Debian mirror: set one up in /etc/apt.' >&2 && exit 1; }
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$root" "$mirror"
[ -z "$2" ] || awk -v folder="$root/usr/local/share/ca-certificates" \
  '/BEGIN CERTIFICATE/ { file = sprintf("%s/host-%d.crt", folder, ++count) } file { print > file } /END CERTIFICATE/ { close(file); file = "" }' "$2"
chroot "$root" /bin/sh -eu <<'END'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
update-ca-certificates </dev/null >/dev/null 2>&1
ln -s /usr/bin/python3 /usr/local/bin/python3
ln -s /usr/bin/python3 /usr/local/bin/python
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
wheel=$(echo /usr/share/python-wheels/pip-*.whl)
python3 "$wheel/pip" install --quiet --no-index --no-compile --root-user-action=ignore "$wheel" </dev/null
find / -xdev -depth -type d -name __pycache__ -exec rm -rf {} +
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /etc/apt/sources.list /var/log/*
rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
END
tar --create --file "$1/root.tar" --directory "$root" \
  --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' --exclude='./run/*' --exclude='./tmp/*' .
