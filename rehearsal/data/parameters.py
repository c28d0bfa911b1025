"""What of a DB parameter group the rehearsal's server can take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OWN = frozenset(
    {
        *("listen_addresses", "port", "unix_socket_directories", "data_directory", "hba_file"),
        *("ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "config_file", "ident_file"),
        *("shared_buffers", "huge_pages", "fsync", "max_wal_size", "shared_preload_libraries"),
        *("logging_collector", "log_destination", "log_directory", "log_filename"),
    }
)
"""Settings that belong to this machine rather than to the database."""


@dataclass(frozen=True)
class Parameters:
    """A parameter group as the server takes it, and the names that it cannot take."""

    settings: Mapping[str, str]
    force_ssl: bool
    not_applied: tuple[str, ...]


def read(declared: Mapping[str, str], family: str) -> Parameters:
    """Split declared parameters.

    RDS demands TLS by default from PostgreSQL 15 on (RDS user guide, rds.force_ssl). Names of RDS's own
    and formulas of the instance's memory mean nothing to a server on this machine.
    """
    major = int(family.removeprefix("postgres").split(".")[0] or 0)
    default = "1" if major >= 15 else "0"
    force = declared.get("rds.force_ssl", default).lower() in ("1", "on", "true")
    settings, left = {}, []
    for name, value in sorted(declared.items()):
        if name == "rds.force_ssl":
            continue
        if name in OWN or name.startswith(("rds.", "apg_")) or "{" in value:
            left.append(name)
        else:
            settings[name] = value
    return Parameters(settings, force, tuple(left))
