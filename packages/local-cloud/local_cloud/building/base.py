"""The root that every image begins with: it stands for the official image of Python.

Its Python is one of this machine of the same version, or else of the nearest one. /usr and the Python below
/usr/local are the image's own folders, with links to this machine's files, so that a Dockerfile may add, change and
delete files there. Programs that install what this machine cannot are one stub.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from local_cloud.building import files
from local_cloud.machine import postgres
from local_cloud.machine.roots import MACHINE, Bind, of_machine, prepare

HERE, USR = Path(__file__).parent, Path("/usr")
STUBS = f"/{MACHINE}/stubs"
LATE = f"/{MACHINE}/late"
PYTHON = f"{MACHINE}/python"
"""The file that names a root's Python."""
STUBBED = (
    *("addgroup", "add-apt-repository", "adduser", "apk", "apt", "apt-get", "apt-key", "bash"),
    *("bun", "chgrp", "chmod", "chown", "corepack", "cp", "curl", "dnf", "dpkg", "gosu", "gpg"),
    *("groupadd", "groupmod", "gunzip", "install", "ldconfig", "ln", "locale-gen", "microdnf"),
    *("mv", "node", "npm", "npx", "passwd", "pnpm", "rm", "runuser", "sed", "setcap", "sh"),
    *("sha256sum", "su", "su-exec", "sudo", "tar", "touch", "unzip", "update-ca-certificates"),
    *("useradd", "usermod", "wget", "yarn", "yum", "zypper"),
)
INSTALLED_LATE = ("uv", "uvx", "poetry", "pipenv")
ETC_FOLDERS = ("alternatives", "ca-certificates", "crypto-policies", "ld.so.conf.d", "ssl/certs")
WHEELS = Path("/usr/share/python-wheels")
"""Where Debian has what `ensurepip` installs."""
PIP = """#!/usr/local/bin/{name}
import runpy
runpy.run_module("pip", run_name="__main__")
"""
BESIDE = ("site-packages", "dist-packages", "test", "EXTERNALLY-MANAGED")
"""What is not linked of the folder of the standard library."""


class Python(NamedTuple):
    """A Python installation of this machine: its folder, and the name of its program."""

    prefix: Path
    name: str

    @property
    def version(self) -> str:
        """Its version, like 3.13."""
        return self.name.removeprefix("python")

    @property
    def inside(self) -> Path:
        """The folder as an image sees it."""
        parts = (MACHINE, *self.prefix.parts[1:])
        return Path("/", *parts) if self.prefix.is_relative_to("/usr") else self.prefix


OWN = Python(Path(sys.base_prefix), f"python{sys.version_info[0]}.{sys.version_info[1]}")
"""The one that runs this."""
INSTALLED = (
    ("PYENV_ROOT", ".pyenv", "versions"),
    ("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python", ""),
)
"""Where pyenv and uv keep Pythons: a variable, or a place in the home folder, and what is below it."""
NEWEST = 99


def find_python(version: str) -> Python:
    """Return the Python of this machine whose version is nearest to one like 3.13, or the newest one for ""."""
    wanted = int(version.partition(".")[2] or NEWEST)
    return min(_pythons(), key=lambda python: abs(wanted - int(python.version.partition(".")[2])))


def _pythons() -> Iterator[Python]:
    """Yield the Pythons 3 of this machine that can be in an image; OWN first, then those on PATH."""
    yield OWN
    prefixes = []
    for minor in range(8, NEWEST):
        if on_path := shutil.which(f"python3.{minor}"):
            prefixes.append(Path(on_path).resolve().parents[1])
    for variable, place, below in INSTALLED:
        with suppress(RuntimeError):  # a user without a home folder
            folder = Path(os.environ.get(variable) or Path.home() / place, below)
            there = [file.resolve() for file in folder.glob("*3.*")]
            prefixes += sorted(there, key=_release, reverse=True)
    for prefix in prefixes:
        for program in prefix.glob("bin/python3.*"):
            if (
                re.fullmatch(r"python3\.\d+", program.name)
                and (prefix / "lib" / program.name / "ensurepip").is_dir()
            ):
                yield Python(prefix, program.name)


def _release(prefix: Path) -> list[int]:
    """Return what sorts installations: by their numbers, and what precedes releases before all of them."""
    released = not re.search(r"\d(a|b|rc)\d", prefix.name)
    return [released, *map(int, re.findall(r"\d+", prefix.name))]


def python_of(root: Path) -> Python:
    """Return the Python of a root."""
    if not (named := root / PYTHON).is_file():
        return OWN
    prefix, name = named.read_text().split("\n")
    return Python(Path(prefix), name)


def made_of(python: Python) -> str:
    """Return what roots are made of and by: a change of it makes other ones, as a program that is installed does."""
    own = "".join(file.read_text() for file in sorted(HERE.glob("*.*")))
    linked = sorted(str(path) for folder in _of_usr() for path in folder.iterdir())
    program = (python.prefix / "bin" / python.name).stat()
    return repr((python, program.st_mtime_ns, program.st_size, own, linked))


def _of_usr() -> list[Path]:
    """Return the folders of this machine's /usr of which roots have links."""
    folders = (path for path in sorted(USR.iterdir()) if path.name not in ("local", "src"))
    return [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]


def make(root: Path, python: Python, version: str, alpine: bool) -> None:
    """Make the base in an empty folder. Another ``version`` than the Python's is a name of it, too."""
    prepare(root)
    (root / PYTHON).write_text("\n".join(map(str, python)))
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
    for kind, name, script in (*scripts, ("", "nc", "nc.sh"), ("", "owners.sh", "owners.sh")):
        shutil.copy(HERE / script, root / MACHINE / kind / name)
        (root / MACHINE / kind / name).chmod(0o755)
    _lay_python(root / "usr/local", python)
    _unpack_pip(root / "usr/local", python)
    local, other = root / "usr/local", f"python{version}"
    if version:
        (local / "bin" / other).symlink_to(python.name)
        (local / "lib" / other).symlink_to(python.name)
        (local / "bin" / f"pip{version}").symlink_to("pip3")
    if alpine:  # Its busybox has nc, and a sh like bash.
        (root / "usr/bin/sh").unlink()
        (root / "usr/bin/sh").symlink_to("bash")
        (local / "bin/nc").symlink_to(f"/{MACHINE}/nc")
    for place in (root, *root.rglob("*")):
        files.own(place)


def _lay_python(target: Path, python: Python) -> None:
    """Link a Python below /usr/local. Its program is a copy: by its place it finds the rest."""
    (ours, name), theirs = python, python.inside
    for folder in ("bin", "lib", "include", "share"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy2(ours / "bin" / name, target / "bin" / name)
    for link in ("python3", "python"):
        (target / "bin" / link).symlink_to(name)
    library = Path("lib", name)
    # Where the byte code is missing, a RUN may compile it.
    compiled = (
        ours / library / "__pycache__" / f"os.cpython-{python.version.replace('.', '')}.pyc"
    ).exists()
    _link(ours / library, target / library, theirs / library, deep=not compiled)
    (target / "lib" / name / "site-packages").mkdir()
    headers = Path("include", name)
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


def _unpack_pip(target: Path, python: Python) -> None:
    """Unpack and compile the pip that comes with a Python, as `ensurepip` does in twice the time."""
    inside, program = f"lib/{python.name}/site-packages", python.prefix / "bin" / python.name
    bundled = python.prefix / "lib" / python.name / "ensurepip/_bundled"
    for wheel in (bundled if bundled.is_dir() else WHEELS).glob("*.whl"):
        if wheel.name.startswith(("pip-", "setuptools-")):
            zipfile.ZipFile(wheel).extractall(target / inside)
    words = ["-I", "-m", "compileall", "-q", "-d", f"/usr/local/{inside}", str(target / inside)]
    subprocess.run([str(program), *words], capture_output=True, check=False)
    for name in ("pip", "pip3", f"pip{python.version}"):
        (target / "bin" / name).write_text(PIP.format(name=python.name))
        (target / "bin" / name).chmod(0o755)


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
    yield from of_machine(root, [python_of(root).prefix, *more])
    if (root / MACHINE / "postgres").is_dir():
        yield Bind(
            postgres.programs(root.parent).parent, Path("/", MACHINE, "postgres"), writable=False
        )
