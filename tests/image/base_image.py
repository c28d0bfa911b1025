"""Give a Docker engine the image python:3.13-slim: pulled, or a stand-in where none can be pulled.

`python -m tests.image.base_image` does it by hand. The stand-in is Debian trixie with its Python
3.13, laid out as the official image is: `python` and `pip` in /usr/local/bin, no byte code in the
standard library (https://github.com/docker-library/python, Dockerfile of 3.13/slim-trixie).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.image import docker_engine
from tests.image.docker_engine import DockerUnavailable, Engine

TAG = "python:3.13-slim"
PULL_SECONDS = 120
MAKE_SECONDS = 900
SUITE = "trixie"
PACKAGES = "python3,python3-venv,ca-certificates"
EXCLUDED = ["./dev/*", "./proc/*", "./sys/*", "./run/*", "./tmp/*", "./certs"]
# Runs inside the new root, whose folder /certs holds this machine's certificate authorities.
FINISH = r"""set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cp /certs/*.crt /usr/local/share/ca-certificates/
update-ca-certificates >/dev/null 2>&1
ln -s /usr/bin/python3 /usr/local/bin/python3
ln -s /usr/bin/python3 /usr/local/bin/python
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
wheel=$(echo /usr/share/python-wheels/pip-*.whl)
python3 "$wheel/pip" install --quiet --no-index --no-compile --root-user-action=ignore "$wheel"
find / -xdev -depth -type d -name __pycache__ -exec rm -rf {} +
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /etc/apt/sources.list /var/log/*
rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
"""

Say = Callable[[str], None]


def ensure(engine: Engine, say: Say) -> str:
    """Give the engine TAG and say how: "present", "pulled" or "stand-in".

    Raises DockerUnavailable, naming the way out, if it can neither be pulled nor made.
    """
    if engine.attempt("image", "inspect", TAG).returncode == 0:
        return "present"
    say(f"Pulling {TAG} …")
    refusal = _pull(engine)
    if refusal is None:
        return "pulled"
    say(f"{TAG} cannot be pulled ({refusal}); a stand-in is used.")
    archive = stand_in(say)
    engine.run("import", str(archive), TAG, seconds=300)
    return "stand-in"


def _pull(engine: Engine) -> str | None:
    """Why TAG could not be pulled, in one line; None when it was."""
    try:
        done = engine.attempt("pull", "--quiet", TAG, seconds=PULL_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no answer within {PULL_SECONDS} s"
    return done.stderr.strip().splitlines()[-1] if done.returncode else None


def stand_in(say: Say) -> Path:
    """The stand-in's root file system as a tarball in the user's cache, made on first use."""
    authorities = _authorities()
    recipe = [SUITE, PACKAGES, FINISH, *EXCLUDED, platform.machine(), *authorities]
    key = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "careapp"
    archive = cache / f"python-3.13-slim-{key}.tar"
    if not archive.exists():
        _check_tools()
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="base-image-") as work:
            _make(Path(work), authorities, say).replace(archive)
    say(f"Stand-in for {TAG}: {archive.name}, {archive.stat().st_size / 1e6:.0f} MB.")
    return archive


def _check_tools() -> None:
    missing = [tool for tool in ("debootstrap", "unshare", "tar") if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        lack = f"install {', '.join(missing)}" if missing else "run as root"
        raise DockerUnavailable(f"To make a stand-in for {TAG}: {lack}; or pull {TAG} yourself.")


def _authorities() -> list[str]:
    """This machine's certificate authorities, as PEM: a proxy's own one may be needed for PyPI."""
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    text = Path(bundle).read_text() if bundle else ""
    end = "-----END CERTIFICATE-----"
    blocks = (block[block.find("-----BEGIN CERTIFICATE") :] for block in text.split(end)[:-1])
    return [f"{block}{end}\n" for block in blocks]


def mirror() -> str:
    """The address of the Debian mirror that apt itself is set to use.

    Raises DockerUnavailable where apt has none.
    """
    wanted = ["indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]
    listed = subprocess.run(["apt-get", *wanted], capture_output=True, text=True, check=False)
    pairs = [line.split() for line in listed.stdout.splitlines()]
    found = [address for address, suite in pairs if not suite.endswith("-security")]
    if not found:
        raise DockerUnavailable("apt names no Debian mirror: set one up in /etc/apt.")
    return found[0]


def _make(work: Path, authorities: list[str], say: Say) -> Path:
    root, archive = work / "root", work / "root.tar"
    say(f"Making it from Debian {SUITE} by debootstrap (about a minute, once) …")
    packages = f"--include={PACKAGES}"
    _step("debootstrap", "--variant=minbase", packages, SUITE, str(root), mirror())
    certificates = root / "certs"
    certificates.mkdir()
    for number, authority in enumerate(authorities):
        (certificates / f"host-{number}.crt").write_text(authority)
    say("Laying it out as the official image …")
    _step("chroot", str(root), "/bin/sh", "-c", FINISH)
    without = [f"--exclude={path}" for path in EXCLUDED]
    _step("tar", "--create", "--file", str(archive), "--directory", str(root), *without, ".")
    return archive


def _step(*command: str) -> None:
    """Run one command with mounts of its own, so that none is left behind if it is interrupted.

    Raises DockerUnavailable with the last lines of what it printed, unless it exits 0.
    """
    isolated = ["unshare", "--mount", *command]
    done = subprocess.run(
        isolated, capture_output=True, text=True, timeout=MAKE_SECONDS, check=False
    )
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise DockerUnavailable(f"{command[0]} exited {done.returncode}:\n{last}")


def main() -> None:
    """Put the base image into the engine that is running."""
    engine = docker_engine.find()
    if engine is None:
        raise SystemExit("No Docker engine answers: start one first.")
    how = ensure(engine, lambda line: print(line, file=sys.stderr, flush=True))
    print(f"{TAG}: {how}")


if __name__ == "__main__":
    main()
