"""Checks of an account before stage 1: quotas, roles, names, and the tools on this machine."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata

from careapp.additions.checks import limits
from careapp.additions.parts.settings import settings_of
from careapp.pulumi_state import output_of
from careapp.settings.network import choose_zones
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.local_cloud import is_used
from ecs_gate.aws.session import Session
from ecs_gate.checks import capacity
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import WHOLE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.parts.gather import Snapshot
from ecs_gate.text import Text, t, text_of

# No roll-out meets these, so none of them is called certain.
DOCKER_MISSING = Facts("docker-missing", 1, {WHOLE})
PULUMI_MISSING = Facts("pulumi-missing", 1, {WHOLE})
PULUMI_OLD = Facts("pulumi-old", 1, {WHOLE})
ZONES_MISSING = Facts("zones-missing", 2, {WHOLE})
NAMES_TAKEN = Facts("names-taken", 8, {WHOLE})

ROLES = ("rds.amazonaws.com", "ecs.amazonaws.com")
"""RDS needs its role before it makes one; ECS makes its own, and may fail as it does.

RDS: terraform-aws-modules/terraform-aws-rds issue 364. ECS: 1Password/scim-examples issue 356. Load
balancing and autoscaling make theirs in time (their user guides, "Service-linked roles").
"""

DOCKER_SECONDS = 30


@dataclass(frozen=True)
class Account:
    """An account without the stack."""

    session: Session
    now: Snapshot

    @cached_property
    def offered(self) -> list[str]:
        """Return the account's availability zones, as the program asks for them."""
        only = {"zone-type": "availability-zone", "state": "available"}
        filters = [{"Name": name, "Values": [value]} for name, value in only.items()]
        answer = self.session.call("ec2", "describe_availability_zones", Filters=filters)
        return sorted(zone["ZoneName"] for zone in answer["AvailabilityZones"])

    @property
    def zones(self) -> tuple[str, ...]:
        """Return the zones of a new stack. Raises ValueError for zones that the account does not have."""
        return choose_zones(
            settings_of(self.now).network, self.now.region, (), lambda: self.offered
        )

    @property
    def nat_gateways(self) -> int:
        """Return the number of NAT gateways. Each has an Elastic IP address, and is in the next zone."""
        network = settings_of(self.now).network
        return {"none": 0, "single": 1}.get(network.nat, network.zones.number)


@dataclass(frozen=True)
class AccountItem:
    """One line of the list. Without an ``essential`` one the account can still be ready."""

    text: Text
    check: Callable[[Account], Iterable[Finding]]
    essential: bool = True


def zones(account: Account) -> Iterator[Finding]:
    """Check that the account has the zones that the stack file names, or as many as it asks for."""
    try:
        _ = account.zones
    except ValueError as problem:
        network = settings_of(account.now).network
        names = ",".join(account.offered[: network.zones.number])
        other = Fix(t("Use other zones:"), (f"pulumi config set zones {names}",))
        yield Finding(
            ZONES_MISSING,
            title=t("The account does not have the zones of the stack file"),
            why=text_of(problem),
            fixes=(other,) if network.zones.names else (),
        )


def service_roles(account: Account) -> Iterator[Finding]:
    """Check the service-linked roles that stages 1 and 2 need immediately."""
    roles = account.session.all("iam", "list_roles", "Roles", PathPrefix="/aws-service-role/")
    there = {role["Path"].split("/")[2] for role in roles}
    for service in (name for name in ROLES if name not in there):
        first = service == ROLES[0]
        yield Finding(
            Facts(f"service-role-{service.partition('.')[0]}", 3 if first else 4, {WHOLE}),
            kind="cause" if first else "warning",
            title=t("The account has no service-linked role for {service}", service=service),
            why=t(
                "RDS creates it with the first database, but refuses the subnet group that is "
                "created before."
            )
            if first
            else t(
                "ECS creates it with the first cluster, and can fail because a new role is not "
                "usable immediately."
            ),
            fixes=(
                Fix(
                    t("Create it once for the account:"),
                    (f"aws iam create-service-linked-role --aws-service-name {service}",),
                ),
            ),
        )


def quotas(account: Account) -> Iterator[Finding]:
    """Check that the VPC, its NAT gateways and their addresses fit into the quotas."""
    ec2, wanted = account.session, account.nat_gateways
    vpcs = len(ec2.all("ec2", "describe_vpcs", "Vpcs"))
    yield from _quota(account, "vpc", "L-F678F1CE", t("VPCs in the region"), vpcs, 1)
    if not wanted:
        return
    addresses = len(ec2.call("ec2", "describe_addresses")["Addresses"])
    name = t("Elastic IP addresses in the region")
    yield from _quota(account, "ec2", "L-0263D0A3", name, addresses, wanted)
    subnets = ec2.all("ec2", "describe_subnets", "Subnets")
    zone_of = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in subnets}
    gateways = ec2.all("ec2", "describe_nat_gateways", "NatGateways")
    living = (gateway for gateway in gateways if gateway["State"] not in ("failed", "deleted"))
    by_zone = Counter(zone_of.get(interface["SubnetId"]) for interface in living)
    try:
        chosen = account.zones
    except ValueError:
        return  # `zones` reports it
    most = max(by_zone[zone] for zone in chosen[:wanted])
    yield from _quota(account, "vpc", "L-FE5A380F", t("NAT gateways in a zone"), most, 1)


def _quota(
    account: Account, service: str, code: str, name: Text, used: int, more: int
) -> Iterator[Finding]:
    quota = {"ServiceCode": service, "QuotaCode": code}
    try:
        answer = account.session.call("service-quotas", "get_service_quota", **quota)
    except AwsProblem as problem:
        # A quota that was never changed may have its default alone (Service Quotas API reference).
        if problem.kind != "missing":
            raise
        answer = account.session.call("service-quotas", "get_aws_default_service_quota", **quota)
    limit = int(answer["Quota"]["Value"])
    if used + more <= limit:
        return
    yield Finding(
        Facts(f"quota-{code}", 6, {WHOLE}),
        title=t("The account's quota is used up: {name}", name=name),
        why=t(
            "{used} of {limit} are taken, and the stack needs {more}.",
            used=used,
            limit=limit,
            more=more,
        ),
        fixes=(
            Fix(
                t("Request an increase, or delete some:"),
                (
                    f"aws service-quotas request-service-quota-increase --service-code {service} "
                    f"--quota-code {code} --desired-value {used + more}",
                ),
            ),
        ),
    )


def fargate(account: Account) -> Iterator[Finding]:
    """Check that stage 2 fits into Fargate's quota."""
    if account.now.quota.problem:
        raise account.now.quota.problem
    return capacity.quota(Case.of(account.now))


def sizes(account: Account) -> Iterator[Finding]:
    """Check that the largest roll-out is not near what database and load balancer allow."""
    return limits.near_limits(Case.of(account.now))


def names(account: Account) -> Iterator[Finding]:
    """Check for existing resources with the stack's names, as a destroy can leave them."""
    now = account.now
    taken = [now.names.repository] if now.image.value else []
    taken += [now.names.log_group] if now.logs.value and now.logs.value.exists else []
    if taken:
        yield Finding(
            NAMES_TAKEN,
            kind="warning",
            title=t("Names of the stack are taken: {names}", names=", ".join(taken)),
            why=t(
                "AWS refuses a second resource with such a name. If these belong to the stack, "
                "nothing is wrong."
            ),
            fixes=(
                Fix(
                    t(
                        "Check whether they are in Pulumi's state; delete or import those that are not:"
                    ),
                    (f"pulumi stack -s {settings_of(now).stack} --show-urns",),
                ),
            ),
        )


def pulumi(_account: Account) -> Iterator[Finding]:
    """Check that Pulumi is on PATH and not older than the Python library."""
    library = metadata.version("pulumi")
    version = output_of("version").strip() if shutil.which("pulumi") else None
    if version is None or _numbers(version) < _numbers(library):
        yield Finding(
            PULUMI_MISSING if version is None else PULUMI_OLD,
            kind="cause" if version is None else "warning",
            title=t("Pulumi is not on PATH")
            if version is None
            else t(
                "Pulumi {found} is older than its library, {library}",
                found=version.removeprefix("v"),
                library=library,
            ),
            why=t("Pulumi's command line runs the program."),
            fixes=(Fix(t("Install it: https://www.pulumi.com/docs/install/")),),
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def docker(_account: Account) -> Iterator[Finding]:
    """Check that a Docker daemon answers where pulumi-docker connects. The local cloud needs none."""
    if is_used():
        return
    from docker import from_env  # type: ignore[import-untyped]
    from docker.errors import DockerException  # type: ignore[import-untyped]

    try:
        from_env(timeout=DOCKER_SECONDS).ping()
    except DockerException as problem:
        yield Finding(
            DOCKER_MISSING,
            title=t("No Docker daemon answers"),
            why=t("Stage 1 builds the app's image with it, at DOCKER_HOST or Docker's own socket."),
            fixes=(Fix(t("Start it, and see that it answers:"), ("docker version",)),),
            evidence=(str(problem),),
        )


ITEMS = (
    AccountItem(t("Pulumi is installed"), pulumi),
    AccountItem(t("A Docker daemon answers, or none is needed"), docker),
    AccountItem(t("The region has the zones of the stack file"), zones),
    AccountItem(t("The service-linked roles exist"), service_roles),
    AccountItem(t("VPCs, NAT gateways and addresses fit into the quotas"), quotas, essential=False),
    AccountItem(t("Fargate's quota has room for a roll-out"), fargate, essential=False),
    AccountItem(t("The database and the load balancer have room for a roll-out"), sizes),
    AccountItem(t("The stack's names are free"), names),
)
