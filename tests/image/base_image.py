"""Give a Docker engine the image python:3.13-slim: pulled, or a stand-in where none can be pulled (stand_in.sh)."""

import hashlib
import os
import platform
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from local_cloud.paths import cache
from tests.image.docker_engine import DockerUnavailable, Engine

TAG = "python:3.13-slim"
PULL_SECONDS = 120
MAKE_SECONDS = 900
RECIPE = Path(__file__).with_name("stand_in.sh")

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
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or ""
    trusted = Path(bundle).read_bytes() if bundle else b""
    recipe = RECIPE.read_bytes() + trusted + platform.machine().encode()
    folder = cache()
    archive = folder / f"python-3.13-slim-{hashlib.sha256(recipe).hexdigest()[:16]}.tar"
    if not archive.exists():
        say("Making it from Debian by debootstrap (about a minute, once) …")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="base-image-") as work:
            # With mounts of its own, so that none is left behind.
            done = subprocess.run(
                ["unshare", "--mount", "sh", str(RECIPE), work, bundle],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=MAKE_SECONDS,
                check=False,
            )
            if done.returncode:
                last = "\n".join(done.stdout.splitlines()[-8:])
                raise DockerUnavailable(f"{RECIPE.name} exited {done.returncode}:\n{last}")
            (Path(work) / "root.tar").replace(archive)
    return archive
