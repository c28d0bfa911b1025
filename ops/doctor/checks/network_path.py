"""Security groups and network ACLs along the way: internet, load balancer, task, database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from i18n import Text, t, verbatim
from ops.doctor.case import Case
from ops.doctor.findings import Finding, Fix
from ops.doctor.reachability import (
    ANYWHERE,
    CLIENTS,
    INTERNET,
    LINUX,
    WIDE,
    Barred,
    Closed,
    Side,
    addresses,
    between,
    closed,
    ends,
    lets_in,
)
from ops.snapshot import elb
from ops.snapshot.vpc import Network

EVERYBODY = Side((), (ANYWHERE,))


DROPPED = t(
    "A security group that does not allow a connection drops it without an answer: "
    "the health check times out, and ECS replaces every task, for ever."
)


WAITS = t(
    "A security group that does not allow a connection drops it without an answer: "
    "the app waits for the database until it times out."
)


TIMED_OUT = r"(?i)timed? ?out"


def balancer_to_task(case: Case) -> Iterator[Finding]:
    """The load balancer must be let out to the task's port, and into the task."""
    service, network, balancer = case.service, case.network, case.now.balancer.value
    if service is None or network is None or balancer is None or service.port is None:
        return
    source = Side(balancer.groups, addresses(network, balancer.subnets))
    target = Side(service.groups, addresses(network, service.subnets))
    for port in sorted({service.port, _check_port(case, service.port)}):
        missing = closed(network, source, target, port)
        near, far = ends(network, balancer.subnets), ends(network, service.subnets)
        barred = between(network, near, far, port, WIDE)
        if missing or barred:
            yield Finding(
                id="balancer-cannot-reach-task",
                title=t("The load balancer cannot reach the tasks on port {port}", port=port),
                why=DROPPED if missing else WHY,
                seen=_seen(network, missing, barred, source, target, port),
                fixes=_fixes(case, network, missing, barred, source, target, port),
                evidence=tuple(each.words for each in case.sick if each.kind == "timeout"),
            )


def _check_port(case: Case, traffic: int) -> int:
    port = case.check.port if case.check else "traffic-port"
    return int(port) if port.isdigit() else traffic


def task_to_database(case: Case) -> Iterator[Finding]:
    """The task must be let out to the database's port, and into the database."""
    service, network, database = case.service, case.network, case.now.database.value
    if service is None or network is None or database is None:
        return
    source = Side(service.groups, addresses(network, service.subnets))
    target = Side(database.groups, addresses(network, database.subnets))
    port = database.port
    missing = closed(network, source, target, port)
    near, far = ends(network, service.subnets), ends(network, database.subnets)
    barred = between(network, near, far, port, LINUX)
    if missing or barred:
        yield Finding(
            id="task-cannot-reach-database",
            title=t("The tasks cannot reach the database on port {port}", port=port),
            why=WAITS if missing else WHY,
            seen=_seen(network, missing, barred, source, target, port),
            fixes=_fixes(case, network, missing, barred, source, target, port),
            evidence=case.logged(TIMED_OUT),
        )


def internet_to_balancer(case: Case) -> Iterator[Finding]:
    """An internet-facing load balancer must let everybody in; where it lets nobody in, the page is dead."""
    network, balancer = case.network, case.now.balancer.value
    if network is None or balancer is None or balancer.scheme != "internet-facing":
        return
    target = Side(balancer.groups, addresses(network, balancer.subnets))
    nodes, serving = ends(network, balancer.subnets), elb.serving(balancer)
    for listener in balancer.listeners:
        port = listener.port
        missing = closed(network, EVERYBODY, target, port)
        barred = between(network, [INTERNET], nodes, port, CLIENTS)
        if not missing and not barred:
            continue
        denied = {each.subnet for each in barred if each.way == "ingress"}
        shut = denied >= {each.subnet for each in nodes} if denied else False
        nobody = listener == serving and (shut or not lets_in(network, balancer.groups, port))
        yield Finding(
            id="balancer-lets-nobody-in" if nobody else "internet-cannot-reach-balancer",
            kind="cause" if nobody else "warning",
            title=t("Nobody reaches the load balancer on port {port}", port=port)
            if nobody
            else t("Not everybody reaches the load balancer on port {port}", port=port),
            why=t("Requests from addresses that no rule names time out."),
            seen=_seen(network, missing, barred, EVERYBODY, target, port),
            fixes=(*_entrance(case, missing, port), *opened(barred, network)),
        )


def _entrance(case: Case, missing: tuple[Closed, ...], port: int) -> tuple[Fix, ...]:
    commands = [_authorize("ingress", each.group, port, f"cidr={ANYWHERE}") for each in missing]
    if not commands:
        return ()
    text = t("Open the port, if the page is for everybody:")
    return (Fix(text, tuple(commands)), case.declared_again())


def _seen(
    network: Network,
    missing: tuple[Closed, ...],
    barred: tuple[Barred, ...],
    source: Side,
    target: Side,
    port: int,
) -> tuple[Text, ...]:
    rules = (_missing(each, network, source, target, port) for each in missing)
    return (*rules, *said(barred, network))


def _fixes(
    case: Case,
    network: Network,
    missing: tuple[Closed, ...],
    barred: tuple[Barred, ...],
    source: Side,
    target: Side,
    port: int,
) -> tuple[Fix, ...]:
    allowed = opened(barred, network)
    if not missing:
        return (*allowed, *case.tried_again())
    return (*allowed, *_openings(case, missing, source, target, port))


def lacking(
    network: Network, source: Side, target: Side, port: int
) -> tuple[tuple[Text, str], ...]:
    """The rules that are missing between two sides: each in a sentence, and what adds it."""
    return tuple(
        (_missing(each, network, source, target, port), _opening(each, source, target, port))
        for each in closed(network, source, target, port)
    )


def _missing(each: Closed, network: Network, source: Side, target: Side, port: int) -> Text:
    peer = target if each.way == "egress" else source
    return _says(network, each.group, port, _named(network, peer), each.way)


def _says(network: Network, group: str, port: int, peer: str, way: str) -> Text:
    own = verbatim(_label(network, group))
    if way == "egress":
        return t(
            "Security group {own} has no outbound rule for TCP {port} to {peer}.",
            own=own,
            port=port,
            peer=peer,
        )
    return t(
        "Security group {own} has no inbound rule for TCP {port} from {peer}.",
        own=own,
        port=port,
        peer=peer,
    )


def _named(network: Network, side: Side) -> str:
    return _label(network, side.groups[0]) if side.groups else str(side.networks[0])


def _label(network: Network, group: str) -> str:
    known = network.groups.get(group)
    return f"{group} ({known.name})" if known else group


def _openings(
    case: Case, missing: tuple[Closed, ...], source: Side, target: Side, port: int
) -> tuple[Fix, ...]:
    commands = tuple(_opening(each, source, target, port) for each in missing)
    return (
        Fix(t("Add what is missing:"), commands),
        *case.tried_again(),
        case.declared_again(),
    )


def _opening(each: Closed, source: Side, target: Side, port: int) -> str:
    peer = target if each.way == "egress" else source
    return _authorize(each.way, each.group, port, f"group={peer.groups[0]}")


def _authorize(way: str, group: str, port: int, peer: str) -> str:
    kind, _, value = peer.partition("=")
    who = (
        f"UserIdGroupPairs=[{{GroupId={value}}}]"
        if kind == "group"
        else f"IpRanges=[{{CidrIp={value}}}]"
    )
    return (
        f"aws ec2 authorize-security-group-{way} --group-id {group} --ip-permissions "
        f"'IpProtocol=tcp,FromPort={port},ToPort={port},{who}'"
    )


WHY = t(
    "A network ACL drops what its rules do not allow, without an answer, and knows of no connections: "
    "the answers need a rule of their own, to the ports from which the other side connects."
)


def said(barred: Sequence[Barred], network: Network) -> tuple[Text, ...]:
    """Each ACL's fault in a sentence."""
    return tuple(_acl_says(each, network) for each in barred)


def _acl_says(each: Barred, network: Network) -> Text:
    first, last = each.ports
    values = {
        "acl": each.acl,
        "subnet": f"{each.subnet} ({network.subnets[each.subnet].name})",
        "ports": f"{first}" if first == last else f"{first}-{last}",
        "peer": f"{each.peer}",
        "number": each.number or "*",
    }
    if each.way == "egress":
        return t(
            "Network ACL {acl} of subnet {subnet}: its outbound rule {number} denies TCP {ports} to {peer}.",
            **values,
        )
    return t(
        "Network ACL {acl} of subnet {subnet}: its inbound rule {number} denies TCP {ports} from {peer}.",
        **values,
    )


def opened(barred: Sequence[Barred], network: Network) -> tuple[Fix, ...]:
    """Rules that let the packets through, before those that deny them."""
    if not barred:
        return ()
    acls = {each.acl.id: each.acl for each in network.subnets.values() if each.acl}
    taken = {
        (acl.id, way): {each.number for each in entries}
        for acl in acls.values()
        for way, entries in (("egress", acl.egress), ("ingress", acl.ingress))
    }
    # Subnets that share an ACL need its rule once.
    once = {(each.acl, each.way, each.ports, each.peer): each for each in barred}
    commands = tuple(_command(each, taken[each.acl, each.way]) for each in once.values())
    text = t("Let the network ACL allow it, by a rule before the one that denies it:")
    return (Fix(text, commands),)


def _command(each: Barred, taken: set[int]) -> str:
    """A rule with a free number; where there is none before the denying rule, that rule must go."""
    if each.number is None:
        number = max((*taken, 90)) // 10 * 10 + 10
    else:
        number = next((free for free in range(each.number - 1, 0, -1) if free not in taken), 0)
    place = f"--network-acl-id {each.acl} --{each.way} --rule-number"
    if not number:
        return f"aws ec2 delete-network-acl-entry {place} {each.number}"
    taken.add(number)
    first, last = each.ports
    return (
        f"aws ec2 create-network-acl-entry {place} {number} --protocol tcp "
        f"--port-range From={first},To={last} --cidr-block {each.peer} --rule-action allow"
    )
