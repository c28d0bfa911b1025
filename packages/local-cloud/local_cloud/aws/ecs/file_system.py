"""The files of a container: without Docker those of its image's folder, and the task's own folders.

An image is a folder of this machine, and the root of a process's mount namespace: read-only, as a root file system with
readonlyRootFilesystem is (ECS API reference, ContainerDefinition). /tmp and the task's volumes are the task's own.
"""

import os
import posixpath
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from local_cloud.aws.ecs.plans import Plan, Volume
from local_cloud.building import base
from local_cloud.machine.roots import MACHINE, Bind

TMP = Path("/tmp")  # noqa: S108 - the container's own folder is mounted there
HOSTS, SWITCH = Path("/etc/hosts"), Path("/etc/nsswitch.conf")
ALL_MAY_WRITE, OWNER_MAY_WRITE, NONE_MAY_WRITE = 0o1777, 0o755, 0o555
ROOT_USER = ("", "0", "root")
SHARED = ("usr", MACHINE)
"""Folders of an image that a writable root has as they are."""


def container_binds(plan: Plan, folder: Path) -> list[Bind]:
    """Return what is mounted for a container of the task whose files are in ``folder``: first its root."""
    image = plan.image
    root = (image.root or image.folder).resolve()
    if plan.read_only:
        binds = [Bind(root, Path("/"), writable=False)]
    else:
        binds = list(_copy_of_image(root, folder / f"root-{plan.name}"))
    needed = [image.python.parent.resolve()] if image.python else []
    binds += [*base.binds(root, needed), *_volume_binds(plan, folder)]
    if TMP not in [bind.target for bind in binds]:
        own = _own_folder(folder / f"tmp-{plan.name}", ALL_MAY_WRITE)
        binds.append(Bind(own, TMP, writable=not plan.read_only))
    return binds


def _volume_binds(plan: Plan, folder: Path) -> Iterator[Bind]:
    for volume in plan.volumes:
        own = _own_folder(folder / f"volume-{volume.name}", volume_mode(plan, volume))
        yield Bind(own, Path(posixpath.normpath(volume.path)), volume.writable)


def resolver_binds(folder: Path, names: Mapping[str, str]) -> list[Bind]:
    """Return the container's own /etc/hosts with the addresses of ``names``, and what makes it the only source.

    It stands for the VPC's DNS: the database's endpoint is the local one, and a name that does not exist is not
    known, as on AWS. A file that this machine does not have is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hosts = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names.items())]
    made = {HOSTS: "".join(f"{line}\n" for line in hosts)}
    if SWITCH.is_file():
        # Without an answer of the DNS the resolver would say that it failed for now, and an app would try again.
        made[SWITCH] = re.sub(r"(?m)^hosts:.*$", "hosts: files", SWITCH.read_text())
    binds = []
    for target, text in made.items():
        if target.is_file():
            file = folder / target.name
            file.write_text(text)
            file.chmod(0o644)
            binds.append(Bind(file, target, writable=False))
    return binds


def volume_mode(plan: Plan, volume: Volume) -> int:
    """Return the mode of an empty volume's folder, which belongs to root; of a tmpfs it is Docker's.

    Another user may write to it only if the image declares its path as VOLUME (ECS Developer Guide, "Use
    bind mounts with Amazon ECS"). Then it has the mode of the image's folder, which is not known here;
    that of /tmp lets all users write.
    """
    user = (plan.user or "").partition(":")[0]
    declared = PurePosixPath(volume.path) in map(PurePosixPath, plan.image.volumes)
    return ALL_MAY_WRITE if volume.mib or declared or user in ROOT_USER else OWNER_MAY_WRITE


def docker_volumes(plan: Plan) -> list[str]:
    return [
        part
        for volume in plan.volumes
        for part in (
            "--tmpfs",
            f"{volume.path}:{'rw' if volume.writable else 'ro'},mode={volume_mode(plan, volume):o}"
            + (f",size={volume.mib}m" if volume.mib else ""),
        )
    ]


def _own_folder(folder: Path, mode: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    # A user of this machine owns the folder and runs the task.
    folder.chmod(NONE_MAY_WRITE if mode == OWNER_MAY_WRITE and os.geteuid() else mode)
    return folder


def _copy_of_image(root: Path, copy: Path) -> Iterator[Bind]:
    """Copy an image's files, as a container may change its own where its root file system is writable.

    /usr, which is large, stays read-only: a user other than root cannot change it on AWS. An app may be below it.
    """
    copy.mkdir(parents=True)
    copy.chmod(0o755)
    yield Bind(copy, Path("/"), writable=True)
    for path in root.iterdir():
        if path.name in SHARED and path.is_dir():
            yield Bind(path, Path("/", path.name), writable=False)
        else:
            _copy(path, copy)
    linked = (root / MACHINE / "usr").is_dir()  # else this machine's /usr hides the image's
    for number, app in enumerate(_apps(root / "usr") if linked else ()):
        own = copy.with_name(f"{copy.name}-{number}")
        own.mkdir()
        _copy(app, own)
        yield Bind(own / app.name, Path("/", app.relative_to(root)), writable=True)


def _apps(usr: Path) -> Iterator[Path]:
    """Yield the folders of an image's /usr that this machine has none of, and src, for /usr/src/app."""
    for folder in (usr, usr / "local"):
        for app in folder.iterdir() if folder.is_dir() else ():
            ours = Path("/usr", app.relative_to(usr))
            if app.is_dir() and not app.is_symlink() and (app.name == "src" or not ours.exists()):
                yield app


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True, capture_output=True)
