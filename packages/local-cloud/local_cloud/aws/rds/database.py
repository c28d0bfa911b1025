"""Runs a PostgreSQL server for every DB instance, with the parameters that it accepts."""

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from moto.rds.models import RDSBackend
from moto.secretsmanager.models import SecretsManagerBackend

from local_cloud.aws import hooks
from local_cloud.aws.ec2.firewall import Endpoint, Map, allows
from local_cloud.aws.ec2.network import database_endpoint
from local_cloud.aws.hooks import Hooking
from local_cloud.aws.rds import backups, patches, postgres
from local_cloud.aws.rds.backups import Backups, Origin
from local_cloud.aws.rds.postgres import Postgres
from local_cloud.clock import Clock
from local_cloud.machine.authority import Authority
from local_cloud.machine.guardian import GROUP, Guardian
from local_cloud.machine.problems import PROBLEMS

OWN = frozenset(
    {
        *("listen_addresses", "port", "unix_socket_directories", "data_directory", "hba_file"),
        *("ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "config_file", "ident_file"),
        *("shared_buffers", "huge_pages", "fsync", "max_wal_size", "shared_preload_libraries"),
        *("logging_collector", "log_destination", "log_directory", "log_filename"),
    }
)
"""Settings that the rehearsal sets for this machine, whatever the parameter group says."""


@dataclass(frozen=True)
class Parameters:
    """A parameter group's parameters that the server accepts, and the names of the others."""

    settings: Mapping[str, str]
    force_ssl: bool
    not_applied: tuple[str, ...]


def read(declared: Mapping[str, str], family: str) -> Parameters:
    """Return the declared parameters, divided into accepted and ignored ones.

    RDS requires TLS by default from PostgreSQL 15 on (RDS user guide, rds.force_ssl). RDS's own
    parameters and formulas of the instance's memory have no meaning for a server on this machine.
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


class Databases:
    """The DB instances and their servers. One thread carries out slow work in the order of the calls."""

    def __init__(
        self, folder: Path, authority: Authority, guardian: Guardian, clock: Clock
    ) -> None:
        self._folder, self._authority, self._guardian = folder, authority, guardian
        self._servers: dict[str, Postgres] = {}
        self._problems: dict[str, str] = {}
        self._backups = Backups(folder / "database-backups", clock)
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="rehearsal-rds", daemon=True)

    def start(self, hooking: Hooking) -> None:
        create = RDSBackend.create_db_instance
        patches.apply(hooking, create, self._created)
        backups.apply(hooking, create, self._created, self._backups)
        hooking.after("rds", "ModifyDBInstance", self._modified)
        hooking.after("rds", "DeleteDBInstance", self._deleted)
        hooking.after("rds", "CreateDBSnapshot", self._snapshot_asked)
        hooking.after("rds", "DeleteDBSnapshot", lambda _: self._work.put(self._backups.sweep))
        for action, now, work, after in (
            ("StopDBInstance", "stopping", self._halt, "stopped"),
            ("StartDBInstance", "starting", self._launch, "available"),
            ("RebootDBInstance", "rebooting", self._restart, "available"),
        ):
            hooking.after("rds", action, partial(self._later, now=now, work=work, after=after))
        hooking.after("rds", "ModifyDBParameterGroup", self._parameters_changed)
        hooking.patch(SecretsManagerBackend, "rotate_secret", self._rotation())
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join(40)
        for identifier in list(self._servers):
            self._remove(identifier)
        self._backups.remove()

    def server(self, identifier: str) -> Postgres | None:
        return self._servers.get(identifier)

    def describe(self) -> list[dict[str, object]]:
        """Return the servers for ``cloud status``."""
        found = []
        for identifier, instance in list(hooks.backend("rds").databases.items()):
            server = self._servers.get(identifier)
            found.append(
                {
                    "id": identifier,
                    "status": instance.status,
                    "endpoint": patches.address(instance),
                    "listens": f"127.0.0.1:{server.port}" if server and server.pid else None,
                    "pid": server.pid if server else None,
                    "not_applied": self._declared(instance).not_applied,
                    "problem": self._problems.get(identifier),
                }
            )
        return found

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            with PROBLEMS.caught("a change of a database"):
                work()

    def _created(self, instance: Any, origin: Origin | None = None) -> None:
        if instance.engine == "postgres":
            instance.status = "creating"
            self._work.put(lambda: self._create(instance, origin))

    def _create(self, instance: Any, origin: Origin | None) -> None:
        name = str(instance.db_instance_identifier)
        with hooks.LOCK:
            declared = self._declared(instance)
        folder = self._folder / f"postgres-{instance.dbi_resource_id}"
        server = Postgres(
            folder, *self._certificate(instance), declared.settings, declared.force_ssl
        )
        server.archive = self._backups.archive(str(instance.dbi_resource_id))
        try:
            self._servers[name] = server
            self._fill(server, instance, origin)
        except Exception as failed:
            self._failed(instance, failed, "failed" if origin is None else "incompatible-restore")
            raise
        _set(instance, "available")
        self._backups.take(server, instance.dbi_resource_id)

    def _failed(self, instance: Any, problem: Exception, status: str) -> None:
        """Set an instance's status, with the reason where RDS has one: a ``DBInstanceStatusInfo``."""
        self._problems[str(instance.db_instance_identifier)] = str(problem)
        instance.status_infos = [{"Normal": False, "Status": "error", "Message": str(problem)}]
        _set(instance, status)

    def _fill(self, server: Postgres, instance: Any, origin: Origin | None) -> None:
        """Create the server's data, or restore it, and start the server."""
        if origin is not None:
            self._backups.restore(origin, self._of_resource(origin.resource), server)
            self._watch(server)
            return
        with hooks.LOCK:
            word = patches.current(instance)
        server.create()
        self._launch(server)
        postgres.add_master(server, instance.master_username, word, instance.db_name)

    def _certificate(self, instance: Any) -> tuple[bytes, bytes]:
        return self._authority.issue([patches.address(instance), "localhost", "127.0.0.1"])

    def _of_resource(self, resource: str) -> Postgres | None:
        found = [each for each in patches.instances() if each.dbi_resource_id == resource]
        return self._servers.get(str(found[0].db_instance_identifier)) if found else None

    def _snapshot_asked(self, params: hooks.Params) -> None:
        name = str(params["DBInstanceIdentifier"])
        hooks.backend("rds").database_snapshots[params["DBSnapshotIdentifier"]].status = "creating"
        self._later({"DBInstanceIdentifier": name}, "backing-up", self._take, "available")

    def _take(self, server: Postgres) -> None:
        self._backups.take(server, _resource(server))

    def _launch(self, server: Postgres) -> None:
        server.start()
        self._watch(server)

    def _watch(self, server: Postgres) -> None:
        if server.pid:
            self._guardian.watch(GROUP, server.pid)

    def _halt(self, server: Postgres) -> None:
        pid = server.pid
        server.stop()
        if pid:
            self._guardian.forget(GROUP, pid)

    def _restart(self, server: Postgres) -> None:
        self._halt(server)
        self._launch(server)

    def _remove(self, identifier: str) -> None:
        server = self._servers.pop(identifier, None)
        if server is not None:
            self._halt(server)
            server.remove()

    def _deleted(self, params: hooks.Params) -> None:
        name = str(params["DBInstanceIdentifier"])

        def delete() -> None:
            server = self._servers.get(name)
            if server is not None and server.pid is not None:
                # The final snapshot.
                self._take(server)
            if server is not None and params.get("DeleteAutomatedBackups") is not False:
                self._backups.drop_automated(_resource(server))
            self._remove(name)
            self._backups.sweep()

        self._work.put(delete)

    def _modified(self, params: hooks.Params) -> None:
        if params.get("NewDBInstanceIdentifier"):
            self._renamed(params)
            return
        instance = _find(params["DBInstanceIdentifier"])
        if params.get("RotateMasterUserPassword"):
            return  # moto has called `rotate_secret`.
        with hooks.LOCK:
            declared = self._declared(instance)
            word = patches.current(instance)
        changed = params.get("MasterUserPassword") or params.get("ManageMasterUserPassword")

        def change(server: Postgres) -> None:
            server.settings, server.force_ssl = declared.settings, declared.force_ssl
            server.reload()
            if changed is not None:
                postgres.set_password(server, instance.master_username, word)

        self._later(params, "modifying", change, "available")

    def _renamed(self, params: hooks.Params) -> None:
        """Move the server to its new name, with a certificate for the new endpoint, and restart it."""
        old, new = (str(params[f"{key}DBInstanceIdentifier"]).lower() for key in ("", "New"))
        instance = _find(new)
        instance.status = "renaming"

        def rename() -> None:
            server = self._servers.pop(old, None)
            if server is not None:
                self._halt(server)
                server.renew(*self._certificate(instance))
                self._servers[new] = server
                self._launch(server)
            _set(instance, "available")

        self._work.put(rename)

    def _parameters_changed(self, params: hooks.Params) -> None:
        name = str(params["DBParameterGroupName"]).lower()
        for instance in hooks.backend("rds").databases.values():
            running = instance.status == "available"
            if running and str(instance.db_parameter_group_name or "").lower() == name:
                same = {"DBInstanceIdentifier": instance.db_instance_identifier}
                self._modified(same)

    def _rotation(self) -> Callable[..., Any]:
        """Return RotateSecret: moto's, but for a secret that RDS manages.

        Without RotateImmediately the rotation waits for the next window, and only its schedule changes (API
        reference, RotateSecret). moto would make an empty version AWSCURRENT.
        """
        moto = SecretsManagerBackend.rotate_secret

        def rotate_secret(
            backend: Any,
            secret_id: str,
            client_request_token: str | None = None,
            rotation_lambda_arn: str | None = None,
            rotation_rules: dict[str, Any] | None = None,
            rotate_immediately: bool = True,
        ) -> Any:
            secret = backend.secrets.get(secret_id)
            instance = _managing(secret)
            if instance is None:
                return moto(
                    *(backend, secret_id, client_request_token),
                    *(rotation_lambda_arn, rotation_rules, rotate_immediately),
                )
            patches.keep_schedule(secret, rotation_rules)
            version = None
            if rotate_immediately:
                version = self._rotate(instance, client_request_token)
            return secret.to_short_dict(version_id=version)

        return rotate_secret

    def _rotate(self, instance: Any, version: str | None) -> str:
        made, word = patches.begin_rotation(instance, version)

        def change(server: Postgres) -> None:
            postgres.set_password(server, instance.master_username, word)
            patches.finish_rotation(instance, made)

        same = {"DBInstanceIdentifier": instance.db_instance_identifier}
        self._later(same, "resetting-master-credentials", change, "available")
        return made

    def _later(
        self, params: hooks.Params, now: str, work: Callable[[Postgres], None], after: str
    ) -> None:
        name = str(params["DBInstanceIdentifier"])
        instance = _find(name)
        instance.status = now

        def do() -> None:
            server = self._servers.get(name)
            try:
                if server is not None:
                    work(server)
            except Exception as failed:
                self._failed(instance, failed, "failed")
                raise
            instance.status_infos = []
            _set(instance, after)

        self._work.put(do)

    @staticmethod
    def _declared(instance: Any) -> Parameters:
        group = instance.db_parameter_groups()[0]
        values = {
            str(name): str(parameter["ParameterValue"])
            for name, parameter in group.parameters.items()
            if parameter.get("ParameterValue") is not None
        }
        return read(values, str(group.family))


def database_names() -> list[str]:
    return [patches.address(instance) for instance in patches.instances()]


def open_port(databases: Databases, instance: Any, source: Endpoint, network: Map) -> int | None:
    """Return the local port of a running instance, if security groups and routes let ``source`` reach it."""
    server = databases.server(str(instance.db_instance_identifier))
    if server is None or server.pid is None:
        return None
    reached = allows(network, source, database_endpoint(instance), int(instance.port))
    return server.port if reached else None


def _managing(secret: Any) -> Any:
    """Return the instance whose master password is in a secret, or None."""
    for instance in hooks.backend("rds").databases.values():
        managed = getattr(instance, "master_user_secret", None)
        if secret is not None and managed is not None and managed.secret is secret:
            return instance
    return None


def _resource(server: Postgres) -> str:
    return server.folder.name.removeprefix("postgres-")


def _find(identifier: str) -> Any:
    return hooks.backend("rds").databases[identifier]


def _set(instance: Any, status: str) -> None:
    with hooks.LOCK:
        if instance.status != "deleting":
            instance.status = status
