"""Give a Docker engine the image python:3.13-slim: pulled, or a stand-in where none can be pulled.

The stand-in is Debian trixie with its Python 3.13, laid out as the official image is: `python` and `pip` in
/usr/local/bin, no byte code in the standard library (https://github.com/docker-library/python, 3.13/slim-trixie).
"""

import hashlib
import os
import platform
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

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
    """Give the engine TAG and return how: "present", "pulled" or "stand-in". Raises DockerUnavailable."""
    if engine.attempt("image", "inspect", TAG).returncode == 0:
        return "present"
    say(f"Pulling {TAG} …")
    try:
        if engine.attempt("pull", "--quiet", TAG, seconds=PULL_SECONDS).returncode == 0:
            return "pulled"
    except subprocess.TimeoutExpired:
        pass
    say(f"{TAG} cannot be pulled; a stand-in is used.")
    engine.run("import", str(stand_in(say)), TAG, seconds=300)
    return "stand-in"


def stand_in(say: Say) -> Path:
    """Return the stand-in's root file system as a tarball in the user's cache, made on first use."""
    missing = [tool for tool in ("debootstrap", "unshare", "tar") if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        lack = f"install {', '.join(missing)}" if missing else "run as root"
        raise DockerUnavailable(f"To make a stand-in for {TAG}: {lack}; or pull {TAG} yourself.")
    trusted = authorities()
    recipe = [SUITE, PACKAGES, FINISH, *EXCLUDED, platform.machine(), *trusted]
    key = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "careapp"
    archive = cache / f"python-3.13-slim-{key}.tar"
    if not archive.exists():
        say(f"Making it from Debian {SUITE} by debootstrap (about a minute, once) …")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="base-image-") as work:
            make(Path(work), trusted).replace(archive)
    return archive


def authorities() -> list[str]:
    """Return this machine's certificate authorities in PEM: a proxy's own one may be needed for PyPI."""
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    text = Path(bundle).read_text() if bundle else ""
    end = "-----END CERTIFICATE-----"
    blocks = (block[block.find("-----BEGIN CERTIFICATE") :] for block in text.split(end)[:-1])
    return [f"{block}{end}\n" for block in blocks]


def make(work: Path, trusted: list[str]) -> Path:
    """Make the archive in a folder, from the Debian mirror that apt itself uses. Raises DockerUnavailable."""
    targets = ["indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]
    listed = subprocess.run(["apt-get", *targets], capture_output=True, text=True, check=False)
    pairs = [line.split() for line in listed.stdout.splitlines()]
    mirrors = [address for address, suite in pairs if not suite.endswith("-security")]
    if not mirrors:
        raise DockerUnavailable("apt names no Debian mirror: set one up in /etc/apt.")
    root, archive = work / "root", work / "root.tar"
    step("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root), mirrors[0])
    (root / "certs").mkdir()
    for number, authority in enumerate(trusted):
        (root / "certs" / f"host-{number}.crt").write_text(authority)
    step("chroot", str(root), "/bin/sh", "-c", FINISH)
    without = [f"--exclude={path}" for path in EXCLUDED]
    step("tar", "--create", "--file", str(archive), "--directory", str(root), *without, ".")
    return archive


def step(*command: str) -> None:
    """Run a command with mounts of its own, so that none is left behind. Raises DockerUnavailable."""
    done = subprocess.run(
        ["unshare", "--mount", *command],
        capture_output=True,
        text=True,
        timeout=MAKE_SECONDS,
        check=False,
    )
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise DockerUnavailable(f"{command[0]} exited {done.returncode}:\n{last}")
