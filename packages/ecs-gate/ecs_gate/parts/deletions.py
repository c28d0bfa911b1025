"""Judges what an update will delete on the request's path.

Pulumi deletes last, and only if the program has succeeded (pulumi/pkg/resource/deploy/deployment_executor.go,
performDeletes). A hook after the deletion would see a dead page, and a resource with such a hook makes
`pulumi destroy` need --run-program (pulumi/pulumi#19933). So the gate judges the service as it would be
afterwards, and fails the program instead: nothing is deleted, and the page still works.
"""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network

from ecs_gate.parts.gather import Snapshot
from ecs_gate.parts.records import ROUTE_FIELDS, RULE_FIELDS, Deletion, Part
from ecs_gate.parts.vpc import Network, Permission


def without(now: Snapshot, gone: Sequence[Deletion]) -> Snapshot:
    arns = {deletion.outputs.get("arn") for deletion in gone}
    balancer, network, group = now.balancer.value, now.network.value, now.group.value
    if balancer is not None:
        listeners = tuple(
            replace(listener, rules=tuple(rule for rule in listener.rules if rule.arn not in arns))
            for listener in balancer.listeners
            if listener.arn not in arns
        )
        left = None if balancer.arn in arns else replace(balancer, listeners=listeners)
        now = now.having(Snapshot.balancer, Part(left))
    if network is not None:
        now = now.having(Snapshot.network, Part(_network(network, gone)))
    if group is not None and group.arn in arns:
        now = now.having(Snapshot.group, Part())
    return now


def _network(network: Network, gone: Sequence[Deletion]) -> Network:
    ids = {deletion.outputs.get("id") for deletion in gone}
    routes = {tuple(deletion.outputs.get(name) for name in ROUTE_FIELDS) for deletion in gone}
    subnets = {
        id_: replace(
            subnet,
            routes=tuple(
                route
                for route in subnet.routes
                if (subnet.table, str(route.destination)) not in routes and route.target not in ids
            ),
        )
        for id_, subnet in network.subnets.items()
    }
    groups = dict(network.groups)
    for deletion in gone:
        owner = groups.get(str(deletion.outputs.get("securityGroupId")))
        if owner is not None and "Egress" in deletion.kind:
            left = tuple(_permission(rule, deletion) for rule in owner.egress)
            groups[owner.id] = replace(owner, egress=left)
        elif owner is not None:
            left = tuple(_permission(rule, deletion) for rule in owner.ingress)
            groups[owner.id] = replace(owner, ingress=left)
    nats = {id_: nat for id_, nat in network.nats.items() if id_ not in ids}
    return replace(network, subnets=subnets, groups=groups, nats=nats)


def _permission(each: Permission, rule: Deletion) -> Permission:
    """Return a permission without the rule's peer. EC2 lists the rules of the same ports as one."""
    values = {name: rule.outputs.get(name) for name in RULE_FIELDS}
    if each.protocol != values["ipProtocol"]:
        return each
    if each.protocol != "-1" and (each.first, each.last) != (values["fromPort"], values["toPort"]):
        return each
    network = IPv4Network(values["cidrIpv4"]) if values["cidrIpv4"] else None
    return replace(
        each,
        networks=tuple(peer for peer in each.networks if peer != network),
        groups=tuple(peer for peer in each.groups if peer != values["referencedSecurityGroupId"]),
        prefix_lists=tuple(peer for peer in each.prefix_lists if peer != values["prefixListId"]),
    )
