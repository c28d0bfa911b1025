"""The load balancer itself, and its target group: whether they are there, and as declared."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import t
from ops.checks import stages
from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.reach import default_route
from ops.snapshot.surroundings import Network


def attached(case: Case) -> Iterator[Finding]:
    """The service must register its tasks in the target group."""
    service, group = case.service, case.now.group.value
    if service is None or case.now.group.problem:
        return
    if group is None:
        yield Finding(
            id="target-group-missing",
            title=t("The target group {name} does not exist", name=case.now.names.target_group),
            why=t("The load balancer has nowhere to send requests."),
            fixes=(case.put_back(),),
        )
    elif all(each[0] != group.arn for each in service.targets):
        yield Finding(
            id="service-not-attached",
            title=t("The service does not register its tasks with the load balancer"),
            why=t("The load balancer knows of no task."),
            seen=(t("The service names no target, or another than {name}.", name=group.name),),
            fixes=case.corrected(
                t("In infra/service.py, let the service have this target group, and deploy:")
            ),
        )
    elif not group.check.enabled:
        yield Finding(
            id="health-check-off",
            kind="warning",
            title=t("The load balancer's health check is off"),
            why=t("It would send requests to a task that does not answer."),
            fixes=case.corrected(
                t("In infra/load_balancer.py, let the health check have enabled=True, and deploy:")
            ),
        )


WATCHED = {
    "healthPath": "path",
    "healthMatcher": "matcher",
    "healthInterval": "interval",
    "healthTimeout": "timeout",
    "healthyThreshold": "healthy",
    "unhealthyThreshold": "unhealthy",
}
"""Settings of the stack file, and what the target group's health check calls them."""


def drifted(case: Case) -> Iterator[Finding]:
    """The target group should check as the stack file says."""
    if case.check is None:
        return
    seen = []
    for key, name in WATCHED.items():
        declared, real = getattr(case.now.settings.health, name), getattr(case.check, name)
        if declared != real:
            text = t("{key} is {declared} in the stack file, and {real} on AWS.", key=key,
                     declared=declared, real=real)  # fmt: skip
            seen.append(text)
    if seen:
        yield Finding(
            id="health-check-drifted",
            kind="warning",
            title=t("The health check is not the declared one"),
            why=t("Somebody changed it by hand, or the stack file was not deployed yet."),
            seen=tuple(seen),
            fixes=(case.put_back(),),
        )


def protocol(case: Case) -> Iterator[Finding]:
    """Requests and health checks go to the same port: the app speaks one protocol there."""
    group = case.now.group.value
    if group is None or not group.check.enabled or group.check.port != "traffic-port":
        return
    asked, checked = group.protocol, group.check.protocol
    if {asked, checked} != {"HTTP", "HTTPS"} or asked == "HTTP":
        # An app that fails a health check over HTTPS is a finding of refusals.
        return
    yield Finding(
        id="target-protocol",
        title=t(
            "The load balancer sends requests by {asked}, and the app answers {checked}",
            asked=asked,
            checked=checked,
        ),
        why=t(
            "The health check speaks {checked} and passes. Every request fails in the TLS handshake: "
            "the load balancer answers 502.",
            checked=checked,
        ),
        seen=(
            t(
                "Target group {name}: protocol {asked}, health check protocol {checked}.",
                name=group.name,
                asked=asked,
                checked=checked,
            ),
        ),
        fixes=(
            Fix(
                t(
                    'In infra/load_balancer.py, let the target group have protocol="{checked}", '
                    "and deploy (replaces the target group):",
                    checked=checked,
                ),
                (f"pulumi up -s {case.now.names.stack}",),
            ),
        ),
    )


def declared_port(case: Case) -> Iterator[Finding]:
    """The service registers a port, the container opens one, PORT tells the app: all the same."""
    service, main = case.service, case.main
    if service is None or main is None or service.port is None:
        return
    told = main.environment.get("PORT")
    if service.port in main.ports and told in (None, str(service.port)):
        return
    yield Finding(
        id="port-mismatch",
        title=t("The app is told another port than the load balancer asks"),
        why=t("Nobody listens where the load balancer knocks: the connection is refused."),
        seen=(
            t(
                "The service registers port {port}; {revision} opens {ports} and sets PORT to {told}.",
                port=service.port,
                revision=main.revision,
                ports=", ".join(map(str, main.ports)) or "-",
                told=told or "-",
            ),
        ),
        fixes=case.corrected(
            t("Let containerPort alone decide it (infra/container.py), and deploy:")
        ),
        evidence=tuple(each.words for each in case.sick[:3]),
    )


def balancer(case: Case) -> Iterator[Finding]:
    """The load balancer must be there, active, and in subnets that lead to the internet."""
    found, network = case.now.balancer.value, case.network
    fix = case.put_back()
    if found is None:
        yield from _missing(case)
        return
    if found.state not in ("active", "active_impaired", ""):
        yield Finding(
            id="balancer-not-active",
            kind="cause" if found.state == "failed" else "warning",
            title=t("The load balancer is {state}", state=found.state),
            why=t("It answers when it is active."),
            fixes=(fix,),
        )
    if network is None or found.scheme != "internet-facing":
        return
    if lost := [each for each in found.subnets if not _public(case, each)]:
        yield _cut_off(case, network, lost)


def _cut_off(case: Case, network: Network, lost: list[str]) -> Finding:
    names = {each: network.subnets[each].name for each in lost if each in network.subnets}
    public = f"{case.now.names.prefix}-public-"
    # A public subnet has lost its route; any other was never meant for a load balancer.
    misplaced = any(not each.startswith(public) for each in names.values())
    text = t(
        "In infra/load_balancer.py, let the load balancer have "
        "subnets=self.args.network.public_subnet_ids, and deploy:"
    )
    return Finding(
        id="balancer-cut-off",
        title=t("The load balancer lies in subnets that are not the public ones")
        if misplaced
        else t("The load balancer's subnets do not lead to the internet"),
        why=t("Its answers do not find the way back: the page times out."),
        seen=tuple(
            t(
                "Subnet {subnet} has no route to an internet gateway.",
                subnet=f"{each} ({names[each]})" if each in names else each,
            )
            for each in lost
        ),
        fixes=case.corrected(text) if misplaced else (case.put_back(),),
    )


def _missing(case: Case) -> Iterator[Finding]:
    """Where nothing at all is there, the stack is what is missing."""
    if case.now.balancer.problem or stages.stage(case) not in (stages.FIRST, stages.SECOND):
        return
    yield Finding(
        id="balancer-missing",
        title=t("The load balancer {name} does not exist", name=case.now.names.balancer),
        why=t("Nothing answers at the page's address."),
        seen=(t("Elastic Load Balancing knows no load balancer of that name."),),
        fixes=(case.put_back(),),
    )


def _public(case: Case, subnet: str) -> bool:
    route = default_route(case.network, subnet) if case.network else None
    return route is not None and route.kind == "igw" and route.state == "active"
