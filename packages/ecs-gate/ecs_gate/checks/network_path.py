"""Check security groups and network ACLs of each connection: internet, load balancer, task, database."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from ecs_gate.diagnosis import catalogue
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import DATABASE, FORWARD, TO_DATABASE, Facts, Outside
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.reachability import (
    CLIENT_PORTS,
    ELB_PORTS,
    INTERNET,
    TASK_PORTS,
    AclDenial,
    MissingRule,
    Side,
    WiderRule,
    acl_denials,
    allows_any_inbound,
    missing_rules,
    not_let_in,
    open_ports,
    wider_rules,
)
from ecs_gate.facts.clients import Allowed
from ecs_gate.parts.elb import Balancer, Listener
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import Service
from ecs_gate.parts.vpc import Endpoint, Network, Permission
from ecs_gate.text import Text, joined, t, verbatim

BALANCER_CANNOT_REACH_TASK = Outside("balancer-cannot-reach-task", 30, {FORWARD})
BALANCER_LETS_NOBODY_IN = Outside(
    "balancer-lets-nobody-in", 31, {catalogue.INTERNET}, {"no-listener"}
)
INTERNET_CANNOT_REACH_BALANCER = Facts(
    "internet-cannot-reach-balancer", 34, {catalogue.INTERNET}, outside=True
)
TASK_CANNOT_REACH_DATABASE = Outside(
    "task-cannot-reach-database", 42, {DATABASE}, subject=TO_DATABASE
)

BALANCER_LETS_MORE_IN = Facts("balancer-lets-more-in", 34, {catalogue.INTERNET})

DROPPED = t(
    "A security group drops a connection that it does not allow: the health check "
    "times out, and ECS keeps replacing the tasks."
)

WAITS = t(
    "A security group drops a connection that it does not allow: the app's connections "
    "to the database time out."
)

TIMED_OUT = r"(?i)timed? ?out"

Placed = Balancer | Service | Database | Endpoint
"""An end of a connection."""


def blocked(
    case: Case,
    near: Placed,
    far: Sequence[Placed],
    port: int,
    answers: tuple[int, int],
    finding: Finding,
    *,
    declared: bool = True,
) -> Iterator[Finding]:
    """Yield the finding with the rules that block connections, whose answers need these ports, and their fixes.

    Those that the program does not declare are allowed by commands.
    """
    network = case.network or Network()
    if not near.subnets:  # tasks on instances, without addresses of their own
        return
    source = Side.of(network, near.subnets, near.groups)
    missing: dict[Text, str] = {}
    denials: list[AclDenial] = []
    for end in (end for end in far if end.subnets and not network.lacks(end.subnets)):
        target = Side.of(network, end.subnets, end.groups)
        missing |= lacking(network, source, target, port)
        denials += acl_denials(network, source, target, port, answers)
    if missing or denials:
        allowed = case.restore_rules()
        if not declared:
            allowed = Fix(t("Allow it:"), tuple(dict.fromkeys(missing.values())))
        denials = list(dict.fromkeys(denials))
        yield replace(
            finding,
            why=finding.why if missing else WHY,
            seen=(*missing, *acl_sentences(denials, network)),
            fixes=(
                *acl_fixes(denials, network),
                *((allowed,) if missing else ()),
                *case.then_retry(),
            ),
        )


def balancer_to_task(case: Case) -> Iterator[Finding]:
    """Check that the load balancer can connect to the tasks on the container port and the health check's port."""
    service, balancer = case.service, case.now.balancer.value
    if service is None or case.network is None or balancer is None or service.port is None:
        return
    checked = case.health_check.port if case.health_check else ""
    for port in sorted({service.port, int(checked) if checked.isdigit() else service.port}):
        finding = Finding(
            BALANCER_CANNOT_REACH_TASK,
            title=t("The load balancer cannot reach the tasks on port {port}", port=port),
            why=DROPPED,
            evidence=tuple(check.words for check in case.failed_checks if check.kind == "timeout"),
        )
        yield from blocked(case, balancer, [service], port, ELB_PORTS, finding)


def task_to_database(case: Case) -> Iterator[Finding]:
    service, database = case.service, case.now.database.value
    if service is None or case.network is None or database is None:
        return
    finding = Finding(
        TASK_CANNOT_REACH_DATABASE,
        title=t("The tasks cannot reach the database on port {port}", port=database.port),
        why=WAITS,
        evidence=case.matching_lines(TIMED_OUT),
    )
    yield from blocked(case, service, [database], database.port, TASK_PORTS, finding)


def internet_to_balancer(case: Case) -> Iterator[Finding]:
    """Check that an internet-facing load balancer accepts the declared connections; from nobody is a cause.

    Who may connect to listeners that forward to other services alone is theirs.
    """
    network, balancer = case.network, case.now.balancer.value
    if network is None or balancer is None or balancer.scheme != "internet-facing":
        return
    nodes, all_ = Side.of(network, balancer.subnets), {e.port for e in balancer.listeners}
    listeners = [
        listener
        for listener in balancer.listeners
        if listener == case.listener or _is_own(case, listener)
    ]
    ports, allowed = [listener.port for listener in listeners], case.target.page.allowed
    missed = {port: _missed(network, balancer.groups, port, allowed) for port in ports}
    found = (wider_rules(network, balancer.groups, port, allowed or Allowed()) for port in ports)
    if wider := tuple(dict.fromkeys(rule for rules in found for rule in rules)):
        yield _lets_more_in(case, network, wider, repair=any(missed.values()))
    for listener in listeners:
        port, missing = listener.port, missed[listener.port]
        denials = acl_denials(network, INTERNET, nodes, port, CLIENT_PORTS)
        if not missing and not denials:
            continue
        denied = {denial.subnet for denial in denials if denial.direction == "ingress"}
        shut = denied >= {node.subnet for node in nodes.ends} if denied else False
        closed = listener == case.listener and (
            shut or not allows_any_inbound(network, balancer.groups, port)
        )
        rules = (_no_inbound(network, balancer.groups[0], port, each) for each in missing)
        elsewhere = open_ports(network, balancer.groups) - all_ if closed else set()
        yield Finding(
            BALANCER_LETS_NOBODY_IN if closed else INTERNET_CANNOT_REACH_BALANCER,
            kind="cause" if closed else "warning",
            title=_unreachable(port, elsewhere)
            if closed
            else t("Some clients cannot reach the load balancer on port {port}", port=port),
            why=t("Requests from addresses that no rule allows time out."),
            seen=(*rules, *acl_sentences(denials, network)),
            fixes=(
                *((case.restore(),) if missing and balancer.groups else ()),
                *acl_fixes(denials, network),
                *(case.deploy(_listen(each)) for each in sorted(elsewhere)),
            ),
        )


def _missed(
    network: Network, groups: Sequence[str], port: int, allowed: Allowed | None
) -> list[str]:
    """Return who is kept out; where it is not known who is to come in, everyone, but only where nobody does."""
    unknown = allowed is None and allows_any_inbound(network, groups, port)
    return not_let_in(network, groups, port, allowed or Allowed()) if groups and not unknown else []


def _is_own(case: Case, listener: Listener) -> bool:
    """Return whether a listener forwards to the service, or to none, as one that leads to HTTPS does."""
    groups = {group for rule in listener.rules for group in rule.groups}
    own = {*case.service.target_groups} if case.service else {*groups}
    return not groups or bool(groups & own)


def _unreachable(port: int, elsewhere: Collection[int]) -> Text:
    """Return that no client gets in, and on which ports a security group lets them in ``elsewhere``."""
    title = t("No client can reach the load balancer on port {port}", port=port)
    if not elsewhere:
        return title
    open_ = ", ".join(map(str, sorted(elsewhere)))
    return joined(": ", (title, t("its security groups let them in on port {open}", open=open_)))


def _listen(port: int) -> Text:
    return t(
        "If users open port {port}, have it listen there ({listeners}), and deploy:", port=port
    )


def _lets_more_in(
    case: Case, network: Network, wider: Sequence[WiderRule], *, repair: bool
) -> Finding:
    """Return the finding of rules that are wider than the setting; ``repair``: rules of the setting are missing, too.

    Those are made first: to revoke a rule before would shut clients out.
    """
    fix = case.refresh(
        t("Restore the missing rules; those that were declared for other clients are deleted:")
    )
    if not repair:
        revoked = (
            _rule_command("revoke", "ingress", rule.group, _ports_of(rule.rule), rule.peer)
            for rule in wider
        )
        fix = Fix(t("Delete what is not among {allowedCidrs}:"), tuple(revoked))
    return Finding(
        BALANCER_LETS_MORE_IN,
        kind="warning",
        title=t("The load balancer lets more clients in than {allowedCidrs}"),
        why=t("Rules of security groups add up, and a program leaves one that it has not made."),
        seen=tuple(
            t(
                "Security group {own} has an inbound rule from {peer} ({ports}); {allowedCidrs}: {allowed}.",
                own=verbatim(_label(network, rule.group)),
                ports=_ports_of(rule.rule),
                peer=rule.peer,
                allowed=str(case.target.page.allowed),
            )
            for rule in wider
        ),
        fixes=(fix,),
    )


def _ports_of(rule: Permission) -> str:
    """Return a rule's protocol and ports, as the AWS CLI has them."""
    ports = "" if rule.protocol == "-1" else f",FromPort={rule.first},ToPort={rule.last}"
    return f"IpProtocol={rule.protocol}{ports}"


def lacking(network: Network, source: Side, target: Side, port: int) -> dict[Text, str]:
    """Return the missing rules between two sides: by the sentence about each the command that adds it."""
    ports, commands = f"IpProtocol=tcp,FromPort={port},ToPort={port}", dict[Text, str]()
    for rule in missing_rules(network, source, target, port):
        peer = (target if rule.direction == "egress" else source).groups[0]
        command = _rule_command("authorize", rule.direction, rule.group, ports, peer)
        commands[missing_rule(rule, network, source, target, port)] = command
    return commands


def missing_rule(
    rule: MissingRule, network: Network, source: Side, target: Side, port: int
) -> Text:
    """Return a missing rule between two sides as a sentence."""
    own = verbatim(_label(network, rule.group))
    if rule.direction == "egress":
        return t(
            "Security group {own} has no outbound rule for TCP {port} to {peer}.",
            own=own,
            port=port,
            peer=_named(network, target),
        )
    return _no_inbound(network, rule.group, port, _named(network, source))


def _no_inbound(network: Network, group: str, port: int, peer: str) -> Text:
    return t(
        "Security group {own} has no inbound rule for TCP {port} from {peer}.",
        own=verbatim(_label(network, group)),
        port=port,
        peer=peer,
    )


def _named(network: Network, side: Side) -> str:
    return _label(network, side.groups[0]) if side.groups else str(side.ends[0].network)


def _label(network: Network, group: str) -> str:
    known = network.groups.get(group)
    return f"{group} ({known.name})" if known else group


def _rule_command(verb: str, direction: str, group: str, ports: str, peer: str) -> str:
    """Return the command for one rule; ``peer`` is a network, or the id of a security group or a prefix list."""
    members = {"sg": "UserIdGroupPairs=[{GroupId=", "pl": "PrefixListIds=[{PrefixListId="}
    who = members.get(peer.partition("-")[0], "IpRanges=[{CidrIp=") + peer + "}]"
    return (
        f"aws ec2 {verb}-security-group-{direction} --group-id {group} --ip-permissions "
        f"'{ports},{who}'"
    )


WHY = t(
    "A network ACL is stateless and drops packets that its rules do not allow: answers "
    "need a rule of their own, for the client's ephemeral ports."
)


def acl_sentences(denials: Sequence[AclDenial], network: Network) -> tuple[Text, ...]:
    return tuple(_acl_sentence(denial, network) for denial in denials)


def _acl_sentence(denial: AclDenial, network: Network) -> Text:
    first, last = denial.ports
    values = {
        "acl": denial.acl,
        "subnet": f"{denial.subnet} ({network.subnets[denial.subnet].name})",
        "ports": f"{first}" if first == last else f"{first}-{last}",
        "peer": f"{denial.peer}",
        "number": denial.number or "*",
    }
    if denial.direction == "egress":
        return t(
            "Network ACL {acl} of subnet {subnet}: its outbound rule {number} denies TCP {ports} to {peer}.",
            **values,
        )
    return t(
        "Network ACL {acl} of subnet {subnet}: its inbound rule {number} denies TCP {ports} from {peer}.",
        **values,
    )


def acl_fixes(denials: Sequence[AclDenial], network: Network) -> tuple[Fix, ...]:
    """Return the commands that add allow rules before those that deny."""
    if not denials:
        return ()
    acls = {subnet.acl.id: subnet.acl for subnet in network.subnets.values() if subnet.acl}
    taken = {
        (acl.id, direction): {entry.number for entry in entries}
        for acl in acls.values()
        for direction, entries in (("egress", acl.egress), ("ingress", acl.ingress))
    }
    # Subnets that share an ACL need its rule once.
    once = {(denial.acl, denial.direction, denial.ports, denial.peer): denial for denial in denials}
    commands = tuple(_command(each, taken[each.acl, each.direction]) for each in once.values())
    text = t("Add an allow rule to the network ACL, before the rule that denies it:")
    return (Fix(text, commands),)


def _command(denial: AclDenial, taken: set[int]) -> str:
    """Return the command for a rule with a free number; without one before the denying rule, that rule is deleted."""
    if denial.number is None:
        number = max((*taken, 90)) // 10 * 10 + 10
    else:
        number = next((free for free in range(denial.number - 1, 0, -1) if free not in taken), 0)
    place = f"--network-acl-id {denial.acl} --{denial.direction} --rule-number"
    if not number:
        return f"aws ec2 delete-network-acl-entry {place} {denial.number}"
    taken.add(number)
    first, last = denial.ports
    return (
        f"aws ec2 create-network-acl-entry {place} {number} --protocol tcp "
        f"--port-range From={first},To={last} --cidr-block {denial.peer} --rule-action allow"
    )
