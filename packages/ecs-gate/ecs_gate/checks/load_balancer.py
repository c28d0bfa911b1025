"""Check the load balancer: its rules, certificate, target group and subnets."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from ecs_gate.checks import unanswered_checks
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import BALANCER_NODE, FORWARD, INTERNET, Facts, Outside
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.reachability import default_route
from ecs_gate.parts import elb
from ecs_gate.parts.elb import Balancer, Listener, PageRequest, Rule, TargetGroup
from ecs_gate.parts.vpc import Network
from ecs_gate.text import t

NO_LISTENER = Outside("no-listener", 30, {INTERNET})
BALANCER_CUT_OFF = Outside("balancer-cut-off", 31, {BALANCER_NODE})
BALANCER_MISSING = Outside("balancer-missing", 31, {BALANCER_NODE})
BALANCER_NOT_IN_ZONE = Outside("balancer-not-in-zone", 31, {FORWARD})
# A load balancer may be provisioning, a certificate in validation.
BALANCER_NOT_ACTIVE = Facts("balancer-not-active", 31, {BALANCER_NODE}, outside=True)
CERTIFICATE_NOT_VALID = Facts("certificate-not-valid", 31, {INTERNET}, outside=True)
NO_RULE_FORWARDS = Outside("no-rule-forwards", 32, {FORWARD})
RULE_IN_THE_WAY = Outside("rule-in-the-way", 32, {FORWARD})
SERVICE_NOT_ATTACHED = Facts("service-not-attached", 32, {FORWARD}, certain=True)
TARGET_GROUP_MISSING = Outside("target-group-missing", 32, {FORWARD})
TARGET_PROTOCOL = Facts("target-protocol", 57, {FORWARD}, certain=True)
HEALTH_CHECK_DRIFTED = Facts("health-check-drifted", 61, {FORWARD})

NAME_ORIGIN = Fix(
    t("If a CDN or a proxy answers at that address, name its origin as the page: a URL of the load balancer.")
)  # fmt: skip
IN_PUBLIC_SUBNETS = t("Give the load balancer the public subnets ({load_balancer}), and deploy:")


def listener(case: Case) -> Iterator[Finding]:
    """Check that the load balancer listens on the port of the page's URL."""
    balancer, url = case.now.balancer.value, urlsplit(case.now.page_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    if balancer is None or any(each.port == port for each in balancer.listeners):
        return
    ports = sorted(each.port for each in balancer.listeners)
    yield Finding(
        NO_LISTENER,
        title=t("The load balancer does not listen on port {port}, which users open", port=port),
        why=t("A connection to a port without a listener is refused or times out."),
        seen=(
            t(
                "The page is {url}; {balancer} has listeners on: {ports}.",
                url=case.now.page_url,
                balancer=balancer.name,
                ports=", ".join(map(str, ports)) or "-",
            ),
        ),
        # The program declares one, so somebody has deleted it.
        fixes=(case.restore(),)
        if not ports
        else (
            *case.correct_program(
                t(
                    "Set the port of the page's listener ({listeners}) to {port}, and deploy:",
                    port=port,
                )
            ),
            # Where no program declares the page, somebody has typed its URL.
            *((NAME_ORIGIN,) if case.target.check is None and url.hostname != balancer.dns else ()),
        ),
    )


def forwarding(case: Case) -> Iterator[Finding]:
    """Check that a request to the page is forwarded to the service's target group.

    In stage 1 the rule comes later, and another one must not have its priority or one before.
    """
    balancer, group = case.now.balancer.value, case.now.group.value
    if balancer is None or group is None:
        return
    listener = case.listener
    request = _request(case, balancer)
    page = case.now.page.value
    answered = page.status if page and page.missing and page.by_balancer else 0
    rules = listener.rules if listener else ()
    mine = case.target.page.rule_priority
    if case.service is None:
        before = [rule for rule in rules if not rule.default and int(rule.priority) <= mine]
        others = (rule for rule in before if group.arn not in rule.groups)
        taken = (e for e in others if int(e.priority) == mine or elb.fitting(e, request))
        first = next(taken, None)
    else:
        first = elb.answering(listener, request, group.arn, answered) if listener else None
    if first is not None and group.arn in first.groups:
        return
    if listener is not None and first is not None and not first.default:
        yield _in_the_way(case, listener, first, group)
    ours = [rule for rule in rules if group.arn in rule.groups]
    if case.service and all(elb.fitting(rule, request) is False for rule in ours):
        yield _none_forwards(case, balancer, listener, request.path, group)


def _request(case: Case, balancer: Balancer) -> PageRequest:
    """Return the request for the page, at the end of its redirects; with a certificate whose domain is not known
    without a host.
    """
    known, page = case.target.page, case.now.page.value
    host = known.domain or (None if known.https else balancer.dns)
    url = urlsplit(page.ended_at or page.url if page else case.target.page.path)
    return PageRequest(host, url.path or "/", url.query)


def _in_the_way(case: Case, listener: Listener, rule: Rule, group: TargetGroup) -> Finding:
    return Finding(
        RULE_IN_THE_WAY,
        title=t("Another rule of the load balancer handles the requests"),
        why=t(
            "Only the matching rule with the lowest priority number handles a request, and two cannot have the same "
            "(PriorityInUse)."
        ),
        seen=(
            t(
                "Rule {priority} of listener {listener} ({action}) is in the way of the app's rule, and does not "
                "forward to {group}.",
                priority=rule.priority,
                listener=_label(listener),
                action="; ".join((rule.action, *map(str, rule.conditions))),
                group=group.name,
            ),
        ),
        fixes=(
            Fix(t("Delete the rule:"), (f"aws elbv2 delete-rule --rule-arn {rule.arn}",)),
            Fix(
                t("Then restore what the program declares:"),
                case.remedies.refresh(),
                then=True,
            ),
        ),
    )


def _none_forwards(
    case: Case, balancer: Balancer, listener: Listener | None, path: str, group: TargetGroup
) -> Finding:
    return Finding(
        NO_RULE_FORWARDS,
        title=t("No rule of the load balancer forwards to the tasks"),
        why=t("Requests get the listener's default action, which is not the app's."),
        seen=(
            t(
                "Listener {listener} of {balancer}: {count} rule, and it does not forward {path} to {group}.",
                "Listener {listener} of {balancer}: {count} rules, none of which forwards {path} to {group}.",
                listener=_label(listener) if listener else "-",
                balancer=balancer.name,
                count=len(listener.rules) if listener else 0,
                path=path,
                group=group.name,
            ),
        ),
        fixes=(case.restore(),),
    )


def unused(case: Case) -> Iterator[Finding]:
    """Find a target group of the service to which no load balancer forwards: then ELB does not check its targets."""
    names, group = case.now.names, case.now.group.value
    # One in a zone that its load balancer does not have is not in use either.
    idle = [
        target
        for target in case.task_targets
        if target.reason == "Target.NotInUse" and "Availability Zone" not in target.description
    ]
    if names.balancer or group is None or not idle:
        return
    yield Finding(
        NO_RULE_FORWARDS,
        title=t("No load balancer forwards to the target group {name}", name=group.name),
        why=t(
            "ECS waits for healthy targets, and ELB checks only those that a listener or rule leads to."
        ),
        fixes=case.correct_program(
            t("Let a listener or a rule forward to it ({listeners}), and deploy:")
        ),
        evidence=tuple(dict.fromkeys(target.description or target.reason for target in idle)),
    )


def _label(listener: Listener) -> str:
    return f"{listener.protocol}:{listener.port}"


def certificate(case: Case) -> Iterator[Finding]:
    certificate = case.listener.certificate if case.listener else None
    if certificate is None or certificate.status in ("ISSUED", ""):
        return
    yield Finding(
        CERTIFICATE_NOT_VALID,
        title=t("The load balancer's certificate is {status}", status=certificate.status),
        why=t("Browsers refuse a page whose certificate is not valid."),
        seen=(t("ACM reports this status for {arn}.", arn=certificate.arn),),
        fixes=(_certified(case, certificate.arn),),
    )


def _certified(case: Case, arn: str) -> Fix:
    if case.target.page.domain:
        return case.refresh(t("Restore the record that ACM validates the domain by:"))
    text = t("Import a new one under its ARN, or set another one ({certificateArn}), and deploy:")
    return case.deploy(text, f"aws acm describe-certificate --certificate-arn {arn}")


def target_group(case: Case) -> Iterator[Finding]:
    """Check that there is a target group, which stage 1 creates, and that the service registers its tasks in it."""
    service, group = case.service, case.now.group.value
    if case.now.group.problem or (service is None and case.now.balancer.value is None):
        return
    if not case.now.names.target_group:  # a service without a load balancer
        return
    if group is None:
        yield Finding(
            TARGET_GROUP_MISSING,
            title=t("The target group {name} does not exist", name=case.now.names.target_group),
            why=t("The load balancer has no target group to forward requests to."),
            fixes=(case.restore(),),
        )
    elif service is not None and group.arn not in service.target_groups:
        yield Finding(
            SERVICE_NOT_ATTACHED,
            title=t("The service does not register its tasks with the load balancer"),
            why=t("The load balancer has no registered task."),
            seen=(t("The service has no target group, or another than {name}.", name=group.name),),
            fixes=case.correct_program(
                t("Set this target group on the service ({service}), and deploy:")
            ),
        )


WATCHED = ("path", "matcher", "interval", "timeout", "healthy", "unhealthy")
"""The fields of a health check that are compared."""


def health_check_drift(case: Case) -> Iterator[Finding]:
    """Check that the target group's health check is the declared one."""
    if case.health_check is None:
        return
    seen = []
    for name in WATCHED if case.target.check else ():
        declared, real = getattr(case.target.check, name), getattr(case.health_check, name)
        if declared != real:
            text = t("{key} is declared as {declared}, but {real} on AWS.", key=name,
                     declared=declared, real=real)  # fmt: skip
            seen.append(text)
    if not case.health_check.enabled:
        seen.append(t("It is off: tasks that do not answer get requests, too."))
    if seen:
        yield Finding(
            HEALTH_CHECK_DRIFTED,
            kind="warning",
            title=t("The health check is not the declared one"),
            why=t(
                "It was changed outside the program, or what the program declares was not deployed yet."
            ),
            seen=tuple(seen),
            fixes=(case.restore(),),
        )


def protocol(case: Case) -> Iterator[Finding]:
    """Check that requests and health checks to the same port use one protocol."""
    group = case.now.group.value
    if group is None or not group.check.enabled or group.check.port != "traffic-port":
        return
    spoken, checked = group.protocol, group.check.protocol
    if {spoken, checked} != {"HTTP", "HTTPS"}:
        return
    yield Finding(
        TARGET_PROTOCOL,
        title=t(
            "The load balancer sends requests over {asked}, and health checks over {checked}",
            asked=spoken,
            checked=checked,
        ),
        why=t(
            "A port has one protocol: what comes by the other one fails. Every request ends with 502, or no task "
            "becomes healthy."
        ),
        seen=(
            t(
                "Target group {name}: protocol {asked}, health check protocol {checked}.",
                name=group.name,
                asked=spoken,
                checked=checked,
            ),
        ),
        fixes=case.correct_program(
            t(
                "Set the protocol HTTP on the target group, which is replaced, and on its health check "
                "({load_balancer}), and deploy:"
            )
        ),
    )


def declared_port(case: Case) -> Iterator[Finding]:
    """Check that the service, the container and PORT have the same port."""
    service, definition = case.service, case.definition
    if service is None or definition is None or service.port is None:
        return
    variable = definition.environment.get("PORT")
    if service.port in definition.ports and variable in (None, str(service.port)):
        return
    yield Finding(
        unanswered_checks.PORT_MISMATCH,
        title=t("The task definition and the load balancer use different ports"),
        why=t(
            "No process listens on the port that the load balancer connects to: the connection is refused."
        ),
        seen=(
            t(
                "The service registers port {port}; {revision} opens {ports} and sets PORT to {variable}.",
                port=service.port,
                revision=definition.revision,
                ports=", ".join(map(str, definition.ports)) or "-",
                variable=variable or "-",
            ),
        ),
        fixes=case.correct_program(t("Use one port for all of them ({container}), and deploy:")),
        evidence=tuple(check.words for check in case.failed_checks[:3]),
    )


def balancer(case: Case) -> Iterator[Finding]:
    """Check that the load balancer exists, is active, and is in subnets with a route to the internet."""
    balancer, network = case.now.balancer.value, case.network
    fix = case.restore()
    if balancer is None:
        yield from _missing(case)
        return
    if balancer.state not in ("active", "active_impaired", ""):
        yield Finding(
            BALANCER_NOT_ACTIVE,
            kind="cause" if balancer.state == "failed" else "warning",
            title=t("The load balancer is {state}", state=balancer.state),
            why=t("It accepts requests only in the state active."),
            fixes=(fix,),
        )
    if network is None or balancer.scheme != "internet-facing":
        return
    routes = {subnet: default_route(network, subnet) for subnet in balancer.subnets}
    public = {name for name, e in routes.items() if e and (e.kind, e.state) == ("igw", "active")}
    if lost := [subnet for subnet in balancer.subnets if subnet not in public]:
        yield _cut_off(case, network, lost)


def zones(case: Case) -> Iterator[Finding]:
    """Find the tasks' subnets in zones that the load balancer does not have: where no other answers, a cause.

    ELB neither checks nor uses a target there (API reference, TargetHealth, Target.NotInUse).
    """
    balancer, network, service = case.now.balancer.value, case.network, case.service
    if balancer is None or network is None or service is None:
        return
    known = {name: subnet.zone for name, subnet in network.subnets.items() if subnet.zone}
    enabled = {known.get(subnet, "") for subnet in balancer.subnets}
    lost = [subnet for subnet in service.subnets if known.get(subnet, "") not in enabled | {""}]
    if not lost or "" in enabled:
        return
    told = [each.description for each in case.task_targets if each.reason == "Target.NotInUse"]
    told += [check.words for check in case.failed_checks if "Availability Zone" in check.words]
    yield Finding(
        BALANCER_NOT_IN_ZONE,
        kind="cause" if told else "warning",
        title=t("Tasks have subnets in a zone that the load balancer does not have"),
        why=t("It sends nothing to a task in a zone in which it has no subnet."),
        seen=tuple(
            t(
                "Subnet {subnet} is in {zone}; {balancer} has subnets in: {zones}.",
                subnet=f"{subnet} ({network.subnets[subnet].name})",
                zone=known[subnet],
                balancer=balancer.name,
                zones=", ".join(sorted(enabled)),
            )
            for subnet in lost
        ),
        fixes=(*case.correct_program(IN_PUBLIC_SUBNETS), *case.then_retry()),
        evidence=tuple(dict.fromkeys(told)),
    )


def _cut_off(case: Case, network: Network, lost: list[str]) -> Finding:
    names = {subnet: network.subnets[subnet].name for subnet in lost if subnet in network.subnets}
    prefix = case.now.names.prefix
    public = f"{prefix}-public-" if prefix else ""
    # A public subnet has lost its route; any other was never meant for a load balancer.
    misplaced = any(not name.startswith(public) for name in names.values())
    return Finding(
        BALANCER_CUT_OFF,
        title=t("The load balancer is not in the public subnets")
        if misplaced
        else t("The load balancer's subnets have no route to the internet"),
        why=t("Its answers have no route to the internet: the page times out."),
        seen=tuple(
            t(
                "Subnet {subnet} has no route to an internet gateway.",
                subnet=f"{subnet} ({names[subnet]})" if subnet in names else subnet,
            )
            for subnet in lost
        ),
        fixes=case.correct_program(IN_PUBLIC_SUBNETS)
        if misplaced
        else case.own_tables(lost) or (case.restore(),),
    )


def _missing(case: Case) -> Iterator[Finding]:
    now = case.now
    # A service, or a part of what stands before and behind it.
    there = any(part.value is not None for part in (now.service, now.group, now.database))
    if now.balancer.problem or not (now.names.balancer and there):
        return
    yield Finding(
        BALANCER_MISSING,
        title=t("The load balancer {name} does not exist", name=now.names.balancer),
        why=t("Nothing answers at the page's address."),
        seen=(t("Elastic Load Balancing has no load balancer of that name."),),
        fixes=(case.restore(),),
    )
