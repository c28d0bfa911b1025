"""Measures the metrics of DB instances that RDS publishes (RDS user guide, CloudWatch metrics).

FreeableMemory is left out: the server shares this machine's memory, and its buffers are a fraction
of those on RDS.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from moto.ec2.models.instance_types import INSTANCE_TYPES

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch.store import Datum, Metric, Values
from local_cloud.aws.rds.database import Databases
from local_cloud.aws.rds.postgres import ADMIN, Postgres
from local_cloud.machine import processes

GIB = 1024**3
SIZE_SECONDS = 15.0
"""Real seconds for which a measured size of the files is reused: measuring takes milliseconds."""
CLIENT = re.compile(rb"postgres: (?:\S+: )?(\S+) \S+ [^\s(]+\(\d+\) ")
"""The title of a client's server process: user, database, address and port."""


class Instances:
    """Measures every instance whose server runs, once a minute."""

    def __init__(self, databases: Databases, census: processes.ProcessTable) -> None:
        self._databases, self._census, self._meter = databases, census, processes.Meter()
        self._sizes: dict[Path, tuple[float, int]] = {}

    def take(self, minute: int) -> Iterator[Datum]:
        every = self._census.now()
        for name, instance in list(hooks.backend("rds").databases.items()):
            server = self._databases.server(name)
            if server is None or server.pid is None:
                continue
            free = int(instance.allocated_storage) * GIB - self._size(server.data)
            yield _datum(name, "FreeStorageSpace", minute, free)
            cores = self._meter.cores(every, server.pid)
            if cores is not None:
                share = 100 * cores / processors(str(instance.db_instance_class))
                yield _datum(name, "CPUUtilization", minute, share)
                yield _datum(name, "DatabaseConnections", minute, connections(every, server))
        self._meter.forget(every)

    def _size(self, folder: Path) -> int:
        now = time.monotonic()
        measured, size = self._sizes.get(folder, (-SIZE_SECONDS, 0))
        if now - measured >= SIZE_SECONDS:
            size = _size(folder)
            self._sizes[folder] = (now, size)
        return size


def connections(every: Mapping[int, processes.Process], server: Postgres) -> int:
    """Return the number of connected clients without RDS's own superuser."""
    count = 0
    for process in every.values():
        if process.parent == server.pid:
            found = CLIENT.match(_title(process.pid))
            count += bool(found and found[1].decode() != ADMIN)
    return count


def _title(pid: int) -> bytes:
    try:
        return (processes.PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def _size(folder: Path) -> int:
    total, folders = 0, [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
    return total


@cache
def processors(instance_class: str) -> int:
    """Return the vCPUs of an instance class, which are those of the EC2 instance type with the same name."""
    known = INSTANCE_TYPES[instance_class.removeprefix("db.")]
    return int(known["VCpuInfo"]["DefaultVCpus"])


def _datum(instance: str, name: str, minute: int, value: float) -> Datum:
    metric = Metric.of("AWS/RDS", name, DBInstanceIdentifier=instance)
    return Datum(metric, minute, Values.of(value))
