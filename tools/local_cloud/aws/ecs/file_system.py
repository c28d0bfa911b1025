"""The files of a container: without Docker this machine's, read-only, and the task's own folders.

An image is a folder at a path of this machine. A process runs in a mount namespace in which the
machine's file system is read-only, as a root file system with readonlyRootFilesystem is (ECS API
reference, ContainerDefinition), and in which /tmp and the task's volumes are the task's own.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tools.local_cloud.aws.ecs.plans import Plan, Volume, folders_of
from tools.local_cloud.building.builder import LocalImage
from tools.local_cloud.machine.namespaces import Bind, mountable
from tools.local_cloud.machine.processes import readable_by_all, unprivileged_account

TMP = Path("/tmp")  # noqa: S108 - the container's own folder is mounted there
HOSTS, SWITCH = Path("/etc/hosts"), Path("/etc/nsswitch.conf")
ALL_MAY_WRITE, OWNER_MAY_WRITE, NONE_MAY_WRITE = 0o1777, 0o755, 0o555
ROOT_USER = ("", "0", "root")


def container_binds(plan: Plan, folder: Path) -> list[Bind]:
    """Return what is mounted for a container of the task whose files are in ``folder``, outer folders first."""
    binds = list(_volume_binds(plan, folder))
    if (tmp := TMP.resolve()) not in [each.target for each in binds]:
        own = _own_folder(folder / f"tmp-{plan.name}", ALL_MAY_WRITE)
        binds.append(Bind(own, tmp, writable=not plan.read_only))
    if not plan.read_only:
        binds.append(_copy_of_image(plan.image, folder / f"root-{plan.name}"))
    return mountable(binds, _needed(plan.image))


def _volume_binds(plan: Plan, folder: Path) -> Iterator[Bind]:
    for each in plan.volumes:
        mode = volume_mode(plan, each)
        own = _own_folder(folder / f"volume-{each.name}", mode)
        # No mode keeps root from writing, where root runs the task.
        writable = each.writable and not (mode == OWNER_MAY_WRITE and runs_as_root(plan))
        for place in folders_of(plan.image, each.path):
            yield Bind(own, place, writable)


def runs_as_root(plan: Plan) -> bool:
    """Return whether root runs the container here: the account for tasks cannot read the image or its interpreter."""
    needed = [plan.cwd, *([plan.image.python] if plan.image.python else [])]
    readable = unprivileged_account() is not None and all(map(readable_by_all, needed))
    return os.geteuid() == 0 and not readable


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
    """Return the mode of an empty volume's folder, which belongs to root.

    Another user may write to it only if the image declares its path as VOLUME (ECS Developer Guide, "Use
    bind mounts with Amazon ECS"). Then it has the mode of the image's folder, which is not known here;
    that of /tmp lets all users write.
    """
    user = (plan.user or "").partition(":")[0]
    declared = PurePosixPath(volume.path) in map(PurePosixPath, plan.image.volumes)
    return ALL_MAY_WRITE if declared or user in ROOT_USER else OWNER_MAY_WRITE


def docker_volumes(plan: Plan) -> list[str]:
    return [
        part
        for each in plan.volumes
        for part in (
            "--tmpfs",
            f"{each.path}:{'rw' if each.writable else 'ro'},mode={volume_mode(plan, each):o}",
        )
    ]


def _own_folder(folder: Path, mode: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    # A user of this machine owns the folder and runs the task.
    folder.chmod(NONE_MAY_WRITE if mode == OWNER_MAY_WRITE and os.geteuid() else mode)
    return folder


def _copy_of_image(image: LocalImage, copy: Path) -> Bind:
    """Copy an image's files, as a container may change its own where its root file system is writable."""
    root = _root(image)
    shutil.copytree(root, copy, symlinks=True)
    return Bind(copy, root, writable=True)


def _root(image: LocalImage) -> Path:
    return (image.root or image.folder).resolve()


def _needed(image: LocalImage) -> set[Path]:
    python = [image.python.parent, Path(sys.base_prefix)] if image.python else []
    return {_root(image), *(each.resolve() for each in python)}
