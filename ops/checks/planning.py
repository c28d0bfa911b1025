"""Stage 1: what the tasks are going to need, before there are any."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import t
from ops import acls
from ops.checks.case import Case
from ops.checks.inputs import no_secret
from ops.checks.outbound import CANNOT_START, barred, route_commands, says
from ops.findings import Finding, Fix
from ops.reach import Dead, ways_out
from stack.statements import secret_arn


def way_out(case: Case) -> Iterator[Finding]:
    """Stage 1: whether the subnets in which the tasks are going to run lead to AWS, and have room."""
    network = case.network
    if case.service is not None or network is None:
        return
    public = case.now.settings.network.nat == "none"
    role = "public" if public else "private"
    prefix = f"{case.now.names.prefix}-{role}-"
    subnets = tuple(each.id for each in network.subnets.values() if each.name.startswith(prefix))
    dead = ways_out(network, subnets, public)
    if not dead and (dropped := acls.way_out(network, subnets)):
        yield barred(case, network, dropped)
    if dead or not subnets:
        yield Finding(
            id="task-cannot-reach-aws",
            title=t("The tasks' subnets have no way to the internet"),
            why=CANNOT_START,
            seen=tuple(says(each, network) for each in dead)
            or (t("There are no subnets {prefix}*.", prefix=prefix),),
            fixes=_planned_fixes(case, dead, public),
        )


def _planned_fixes(case: Case, dead: tuple[Dead, ...], public: bool) -> tuple[Fix, ...]:
    if public or case.now.settings.network.nat != "none":
        text = t("Let Pulumi put the gateways and routes back that natStrategy asks for:")
        return (case.refreshed(text), *route_commands(case, dead))
    return (case.set("natStrategy", "single", t("Give the private subnets a NAT gateway:")),)


def room(case: Case) -> Iterator[Finding]:
    """Every task takes an address of its subnet."""
    service, network = case.service, case.network
    if service is None or network is None:
        return
    known = [network.subnets[each] for each in service.subnets if each in network.subnets]
    needed = max(service.desired, 1) * 2
    if known and sum(each.free for each in known) < needed:
        yield Finding(
            id="subnets-full",
            title=t("The tasks' subnets have no address left"),
            why=t("Every task takes an address; a roll-out takes twice as many for a while."),
            seen=tuple(
                t("Subnet {subnet} has {free} free addresses.", subnet=each.id, free=each.free)
                for each in known
            ),
            fixes=(
                Fix(t("Stop what else runs there, or set a larger vpcCidr (makes a new VPC).")),
            ),
        )


def secret(case: Case) -> Iterator[Finding]:
    """Stage 1: the secrets with the database's password and those of the app must be there."""
    database, known = case.now.database.value, case.now.secrets.value
    if case.main is not None or database is None or case.now.secrets.problem:
        return
    named = {"DB_PASSWORD": database.secret, **case.now.settings.service.secrets}
    for name, value in named.items():
        secret = (known or {}).get(secret_arn(value))
        if not value or secret is None or secret.deleted:
            yield no_secret(case, name, secret_arn(value) or "-", secret)
