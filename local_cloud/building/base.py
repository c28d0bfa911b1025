"""The root that every image begins with: it stands for the official image of Python.

/usr and the Python below /usr/local are the image's own folders, with links to this machine's files, so that a
Dockerfile may add, change and delete files there. Programs that install what this machine cannot are one stub.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from local_cloud.machine import postgres
from local_cloud.machine.roots import MACHINE, Bind, of_machine, prepare

HERE, USR = Path(__file__).parent, Path("/usr")
STUBS = f"/{MACHINE}/stubs"
LATE = f"/{MACHINE}/late"
STUBBED = (
    *("addgroup", "add-apt-repository", "adduser", "apk", "apt", "apt-get", "apt-key", "bun"),
    *("chgrp", "chmod", "chown", "corepack", "cp", "curl", "dnf", "dpkg", "gosu", "gpg"),
    *("groupadd", "groupmod", "gunzip", "install", "ldconfig", "ln", "locale-gen", "microdnf"),
    *("mv", "node", "npm", "npx", "passwd", "pnpm", "runuser", "sed", "setcap", "sha256sum"),
    *("su", "su-exec", "sudo", "tar", "touch", "unzip", "update-ca-certificates", "useradd"),
    *("usermod", "wget", "yarn", "yum", "zypper"),
)
INSTALLED_LATE = ("uv", "uvx", "poetry", "pipenv")
NAME = f"python{sys.version_info[0]}.{sys.version_info[1]}"
ETC_FOLDERS = ("alternatives", "ca-certificates", "crypto-policies", "ld.so.conf.d", "ssl/certs")
BESIDE = ("site-packages", "dist-packages", "test", "EXTERNALLY-MANAGED")
"""What is not linked of the folder of the standard library."""


def python() -> Path:
    """Return the Python installation as an image sees it."""
    found = Path(sys.base_prefix)
    return Path("/", MACHINE, *found.parts[1:]) if found.is_relative_to("/usr") else found


def version() -> str:
    """Return what roots are made of and by: a change of it makes other ones, as a program that is installed does."""
    own = "".join(file.read_text() for file in sorted(HERE.glob("*.*")))
    linked = sorted(str(each) for folder in _of_usr() for each in folder.iterdir())
    return repr((sys.version, sys.base_prefix, own, linked))


def _of_usr() -> list[Path]:
    """Return the folders of this machine's /usr of which roots have links."""
    folders = (each for each in sorted(USR.iterdir()) if each.name not in ("local", "src"))
    return [each for each in folders if each.is_dir() and not each.is_symlink()]


def make(root: Path, run: Callable[[list[str]], object]) -> None:
    """Make the base in an empty folder. ``run`` runs a command in it."""
    prepare(root)
    for name in ETC_FOLDERS:
        with suppress(OSError, shutil.Error):
            shutil.copytree(Path("/etc", name), root / "etc" / name, symlinks=True)
    for name in ("usr", "stubs", "late", "postgres", "config", "given"):
        (root / MACHINE / name).mkdir()
    for folder in _of_usr():
        _link(folder, root / "usr" / folder.name, Path("/", MACHINE, "usr", folder.name))
    (root / "usr/src").mkdir()
    scripts = [("stubs", name, "stubs.sh") for name in STUBBED]
    scripts += [("late", name, "late.sh") for name in INSTALLED_LATE]
    for kind, name, script in scripts:
        shutil.copy(HERE / script, root / MACHINE / kind / name)
        (root / MACHINE / kind / name).chmod(0o755)
    nc = root / MACHINE / "nc"
    nc.write_text(f"#!/usr/local/bin/python3\n{(HERE / 'netcat.py').read_text()}")
    nc.chmod(0o755)
    _lay_python(root / "usr/local")
    run(["/usr/local/bin/python3", "-m", "ensurepip", "--default-pip"])


def adapt(root: Path, version: str, alpine: bool) -> None:
    """Let another version's folders and programs be this Python's. Alpine's busybox has nc, and a sh like bash."""
    if alpine:
        (root / "usr/local/bin/nc").symlink_to(f"/{MACHINE}/nc")
        (root / "usr/bin/sh").unlink()
        (root / "usr/bin/sh").symlink_to("bash")
    local, other = root / "usr/local", f"python{version}"
    if version and other != NAME:
        (local / "bin" / other).symlink_to(NAME)
        (local / "lib" / other).symlink_to(NAME)
        (local / "bin" / f"pip{version}").symlink_to("pip3")


def _lay_python(target: Path) -> None:
    """Link this machine's Python below /usr/local. Its program is a copy: by its place it finds the rest."""
    ours, theirs = Path(sys.base_prefix), python()
    for name in ("bin", "lib", "include", "share"):
        (target / name).mkdir(parents=True, exist_ok=True)
    shutil.copy2(ours / "bin" / NAME, target / "bin" / NAME)
    for name in ("python3", "python"):
        (target / "bin" / name).symlink_to(NAME)
    library = Path("lib", NAME)
    # Where the byte code is missing, a RUN may compile it.
    compiled = (ours / library / "__pycache__" / f"os.{sys.implementation.cache_tag}.pyc").exists()
    _link(ours / library, target / library, theirs / library, deep=not compiled)
    (target / "lib" / NAME / "site-packages").mkdir()
    headers = Path("include", NAME)
    if (ours / headers).is_dir():
        _link(ours / headers, target / headers, theirs / headers)
    if ours == Path("/usr"):
        # The Python of a distribution installs packages elsewhere, except in a venv.
        made = "home = /usr/bin\ninclude-system-site-packages = false\n"
        (target / "pyvenv.cfg").write_text(made)
        (target.parent / library).unlink()
        _link(ours / library, target.parent / library, theirs / library, deep=True)
    for shared in (ours / "lib").glob("libpython*"):
        (target / "lib" / shared.name).symlink_to(theirs / "lib" / shared.name)


def _link(source: Path, target: Path, there: Path, *, deep: bool = False) -> None:
    """Make a folder with links to what another one has, which is ``there`` in the image; ``deep``: to its files."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        if entry.name in BESIDE:
            continue
        inner = deep or entry.name.startswith("config-")
        if inner and entry.is_dir() and not entry.is_symlink():
            _link(entry, target / entry.name, there / entry.name, deep=True)
        else:
            (target / entry.name).symlink_to(there / entry.name)


def binds(root: Path, more: Iterable[Path] = ()) -> Iterator[Bind]:
    """Yield what processes of an image see of this machine, with ``more`` folders."""
    yield from of_machine(root, [Path(sys.base_prefix), *more])
    if (root / MACHINE / "postgres").is_dir():
        yield Bind(
            postgres.programs(root.parent).parent, Path("/", MACHINE, "postgres"), writable=False
        )
