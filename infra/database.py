"""The RDS for PostgreSQL instance, its monitoring and its logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi_aws.rds.outputs import InstanceMasterUserSecret

from careapp.settings.database import STRIPED_GB, DatabaseSettings
from careapp.settings.settings import Settings
from careapp.settings.statements import trusted
from ecs_gate.text import t

from .component import Component
from .iam import role
from .network import Network, security_group

LOGS = ("postgresql", "upgrade")
"""The logs that RDS for PostgreSQL can export to CloudWatch (RDS.36)."""
FREE_DAYS = 7
"""Retention of Performance Insights that is free of charge."""
ENHANCED = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"


VERSION = "17"
PORT = 5432
USER = "postgres"
ZONES = 2
"""Zones of the DB subnet group, whatever `zones` is.

RDS places the instance and its standby in zones of the subnet group, and then refuses to remove a
subnet in use (AWS knowledge center, "How can I delete a subnet that is part of an Amazon RDS DB
subnet group?"). With two zones in the group, a third one can be removed from the VPC.
"""


class Database(Component):
    """An RDS for PostgreSQL instance in isolated subnets that accepts only TLS connections.

    RDS creates the master password, stores it in Secrets Manager and rotates it every 7 days. It is
    never in code, configuration or state. The app connects as the master user: another one would need
    a second secret and a rotation function. The security group has no rules: each client's component
    adds its own. ``monitoring_seconds`` is the interval of Enhanced Monitoring (1, 5, 10, 15, 30 or 60), whose log is
    billed by the gigabyte.
    """

    port = PORT
    username = USER

    def __init__(
        self, name: str, settings: Settings, network: Network, *, monitoring_seconds: int = 60
    ) -> None:
        super().__init__(name, settings)
        self.monitoring_seconds = monitoring_seconds
        self.network, self.db_name = network, settings.names.database_name
        text = "The database; tasks are let in one by one"
        group = security_group(f"{name}-database", text, network, self)
        self.instance = self._instance(name, group)
        self.address = self.instance.address
        self.secret_arn = self.instance.master_user_secrets.apply(secret_arn_of)
        self.security_group_id = group.id
        self.register_outputs({})

    def _instance(self, name: str, group: aws.ec2.SecurityGroup) -> aws.rds.Instance:
        settings, protect = self.settings.database, self.settings.protect
        subnets = self._subnet_group(name).name
        logs = self._log_groups(name)
        return aws.rds.Instance(
            f"{name}-database",
            identifier=self.settings.names.database,
            engine="postgres",
            engine_version=VERSION,
            instance_class=settings.instance_class,
            allocated_storage=settings.storage_gb,
            storage_type="gp3",
            **_storage_performance(settings.storage_gb),
            storage_encrypted=True,
            db_name=self.db_name,
            username=USER,
            manage_master_user_password=True,
            port=PORT,
            db_subnet_group_name=subnets,
            parameter_group_name=self._parameter_group(name).name,
            vpc_security_group_ids=[group.id],
            publicly_accessible=False,
            multi_az=settings.multi_az,
            backup_retention_period=settings.backup_days,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            # RDS refuses another major VERSION without it.
            allow_major_version_upgrade=True,
            **self._monitoring(name),
            **_deletion(subnets, settings, protect),
            opts=self.options(protect=protect, delete_before_replace=True, depends_on=logs),
        )

    def _monitoring(self, name: str) -> dict[str, Any]:
        """Return the arguments for Enhanced Monitoring, Performance Insights and log exports."""
        if not self.settings.database.monitoring:
            return {"monitoring_interval": 0, "performance_insights_enabled": False}
        account = aws.get_caller_identity_output().account_id
        own = {"StringEquals": {"aws:SourceAccount": account}}
        # Enhanced Monitoring may assume the role for this account's databases.
        trust = trusted("monitoring.rds.amazonaws.com", own)
        monitoring_role = role(self, f"{name}-database-monitoring", trust)
        attached = aws.iam.RolePolicyAttachment(
            f"{name}-database-monitoring",
            role=monitoring_role.name,
            policy_arn=ENHANCED,
            opts=self.child,
        )
        return {
            "monitoring_interval": self.monitoring_seconds,
            # Known only after the role has its policy.
            "monitoring_role_arn": pulumi.Output.all(monitoring_role.arn, attached.id)[0],
            "performance_insights_enabled": True,
            "performance_insights_retention_period": FREE_DAYS,
            "enabled_cloudwatch_logs_exports": list(LOGS),
        }

    def _log_groups(self, name: str) -> list[aws.cloudwatch.LogGroup]:
        """Return the log groups of the exported logs.

        RDS would create them without a retention period, and would not delete them with the instance.
        """
        protect, database = self.settings.protect, self.settings.database
        return [
            aws.cloudwatch.LogGroup(
                f"{name}-database-{log}",
                name=f"/aws/rds/instance/{name}/{log}",
                retention_in_days=database.log_days,
                opts=self.options(protect=protect, delete_before_replace=True),
            )
            for log in (LOGS if database.monitoring else ())
        ]

    def _subnet_group(self, name: str) -> aws.rds.SubnetGroup:
        return aws.rds.SubnetGroup(
            f"{name}-database",
            description="Subnets without a way out",
            subnet_ids=self.network.database_subnet_ids.apply(lambda ids: ids[:ZONES]),
            opts=self.child,
        )

    def _parameter_group(self, name: str) -> aws.rds.ParameterGroup:
        return aws.rds.ParameterGroup(
            f"{name}-database",
            # The provider replaces the group for another description, so this one stays.
            description="PostgreSQL that refuses connections without TLS",
            family=f"postgres{VERSION}",
            parameters=[
                # The default from PostgreSQL 15 on. RDS reports the apply method "pending-reboot"
                # whatever was sent; any other would be a change on every `up`
                # (terraform-provider-aws issue 39252).
                {"name": "rds.force_ssl", "value": "1", "apply_method": "pending-reboot"},
                # Milliseconds. By default PostgreSQL does not notice that the client of a statement is gone, so that
                # of a task that was stopped goes on, and keeps or waits for its locks (RDS user guide, "Dead
                # connection handling in PostgreSQL").
                {
                    "name": "client_connection_check_interval",
                    "value": "10000",
                    "apply_method": "immediate",
                },
            ],
            opts=self.child,
        )


def _storage_performance(storage_gb: int) -> dict[str, Any]:
    """Return the IOPS and MiB/s that the price of striped gp3 storage includes (RDS user guide, "gp3 storage")."""
    if storage_gb < STRIPED_GB:
        return {}
    # Without them the provider sends the values of before where storage grows to this size, and RDS refuses those
    # (terraform-provider-aws issue 28382).
    return {"iops": 12000, "storage_throughput": 500}


def secret_arn_of(secrets: Sequence[InstanceMasterUserSecret]) -> str:
    """Return the ARN of the master password's secret. Raises ValueError."""
    if not secrets or not secrets[0].secret_arn:
        raise ValueError(
            t("RDS reports no secret for the master password; see the instance's events")
        )
    return secrets[0].secret_arn


def _deletion(
    unique: pulumi.Output[str], settings: DatabaseSettings, protect: bool
) -> dict[str, Any]:
    """Return the arguments for deletion, the final snapshot, and when changes are applied.

    The snapshot outlives the stack. Its name begins with `unique`, which differs after each
    `pulumi destroy`, because RDS refuses a second snapshot of the same name. Without a final
    snapshot the automated backups are deleted, too. Changes do not wait for the maintenance window:
    `pulumi up` would succeed before the change is made.
    """
    has_snapshot = bool(settings.final_snapshot)
    return {
        "deletion_protection": protect,
        "skip_final_snapshot": not has_snapshot,
        "final_snapshot_identifier": (
            pulumi.Output.concat(unique, "-", settings.final_snapshot) if has_snapshot else None
        ),
        "delete_automated_backups": not has_snapshot,
        "apply_immediately": True,
    }
