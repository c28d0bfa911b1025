"""What moto does not keep, or does not know, of a DB instance: Database Insights, and its authority."""

from __future__ import annotations

from rehearsal.control.hooks import Params, after, backend


def install() -> None:
    """The hooks register as this module is imported; the call makes that visible."""


@after("rds", "ModifyDBInstance")
@after("rds", "CreateDBInstance")
def insights_are_described(params: Params) -> None:
    """Describe what was asked for; whoever never asked has them off."""
    wanted = params.get("EnablePerformanceInsights")
    if wanted is not None:
        database = backend("rds").databases[params["DBInstanceIdentifier"]]
        database.performance_insights_enabled = str(wanted).lower() == "true"


@after("rds", "CreateDBInstance")
def authority_is_described(params: Params) -> None:
    """Name the authority that RDS takes where none is asked for (RDS user guide, "Using SSL/TLS")."""
    if not params.get("CACertificateIdentifier"):
        database = backend("rds").databases[params["DBInstanceIdentifier"]]
        database.ca_certificate_identifier = "rds-ca-rsa2048-g1"
