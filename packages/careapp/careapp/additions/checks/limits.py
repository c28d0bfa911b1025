"""Check that the settings leave room for a roll-out."""

from collections.abc import Iterator

from careapp.additions.parts.settings import settings_of
from careapp.settings import sizes
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import WHOLE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.text import t

# Only another roll-out would meet it.
SIZES_NEAR = Facts("sizes-near", 17, {WHOLE}, blocks=False)


def near_limits(case: Case) -> Iterator[Finding]:
    """Find a roll-out that nearly fills the database's connections, the load balancer, or its time."""
    settings = settings_of(case)
    warnings = tuple(sizes.warnings(settings.sizes))
    if warnings:
        yield Finding(
            SIZES_NEAR,
            kind="warning",
            title=t("The settings are near the limits of a roll-out"),
            why=t("A roll-out runs the old and the new tasks for a while."),
            seen=warnings,
            fixes=(Fix(t("What to change at each limit, and what it costs: docs/scale.md")),),
        )
