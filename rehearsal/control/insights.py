"""Database Insights, which moto is told of and forgets."""

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
