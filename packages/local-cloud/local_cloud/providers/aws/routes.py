"""Route tables, their routes and associations, and the VPC endpoints that add routes to them."""

import hashlib
from typing import Any

from local_cloud.calls import UnknownInput
from local_cloud.providers.aws.ec2 import arn
from local_cloud.providers.kind import (
    Setting,
    Subject,
    Values,
    modify,
    on_change,
    path,
    regular,
)

ANYWHERE = "destinationCidrBlock"
DESTINATIONS = {
    "cidrBlock": "DestinationCidrBlock",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
"""The destination of an inline route, and EC2's parameter."""
TARGETS = {
    "carrierGatewayId": "CarrierGatewayId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}
"""The target of an inline route, and EC2's parameter."""
Ends = dict[tuple[str, str], tuple[str, str]]
"""The target of each destination, both as EC2's parameter and its value."""


def _ends(subject: Subject, routes: Any) -> Ends:
    """Return where inline routes lead.

    Raises ``ValueError`` unless each has one destination and one target (terraform-provider-aws, vpc_route_table.go,
    validNestedExactlyOneOf).
    """
    found: Ends = {}
    for route in routes or ():
        given = {name: value for name, value in route.items() if value}
        if unknown := sorted(set(given) - set(DESTINATIONS) - set(TARGETS)):
            raise UnknownInput(f"{subject.kind.token}: a route has no {', '.join(unknown)}")
        ends = [
            [(names[name], given[name]) for name in names if name in given]
            for names in (DESTINATIONS, TARGETS)
        ]
        if [len(end) for end in ends] != [1, 1]:
            raise ValueError(f"a route needs one destination and one target, but it has {given}")
        found[ends[0][0]] = ends[1][0]
    return found


def _in_ec2(subject: Subject, found: Values) -> Any:
    """Return the inline routes: the program's own where EC2 has the same, else EC2's without the local one."""
    declared = subject.inputs.get("routes")
    # A gateway endpoint's route belongs to the endpoint (terraform-provider-aws, flattenRoutes).
    gateways = [(route, route.get("GatewayId", "")) for route in found["Routes"]]
    held = [route for route, by in gateways if by != "local" and not by.startswith("vpce-")]
    lead: Ends = {}
    for route in held:
        ends = [
            next((name, route[name]) for name in names.values() if route.get(name))
            for names in (DESTINATIONS, TARGETS)
        ]
        lead[ends[0]] = ends[1]
    if declared is None or _ends(subject, declared) == lead:
        return declared
    inputs = {parameter: name for name, parameter in {**DESTINATIONS, **TARGETS}.items()}
    return [{inputs[name]: value for name, value in pair} for pair in lead.items()]


def _change_routes(subject: Subject) -> None:
    """Create, replace and delete the routes that differ. Without the input, which is computed, they stay."""
    if subject.inputs.get("routes") is None:
        return
    olds, news = (_ends(subject, each.get("routes")) for each in (subject.before, subject.inputs))
    for destination, target in news.items():
        if olds.get(destination) != target:
            operation = "replace_route" if destination in olds else "create_route"
            subject.call(operation, **dict((destination, target)))
    for destination in olds.keys() - news.keys():
        subject.call("delete_route", **dict((destination,)))


def _remove_table(subject: Subject) -> None:
    """Delete a route table after all its associations, also those that others made, as the provider does."""
    # terraform-provider-aws, resourceRouteTableDelete. The table of a deleted subnet has none of it any more.
    answer = subject.calls("ec2", "describe_route_tables", {"RouteTableIds": [subject.identity]})
    for association in path("RouteTables[].Associations[].RouteTableAssociationId", answer):
        subject.calls("ec2", "disassociate_route_table", {"AssociationId": association})
    subject.call("delete_route_table")


ROUTE_TABLE = regular(
    "aws:ec2/routeTable:RouteTable",
    "RouteTableId",
    replaces="vpcId",
    settings=(Setting(inputs=("routes",), apply=_change_routes),),
    outputs={"arn": arn("route-table"), "ownerId": "OwnerId", "routes": _in_ec2},
    reads={"routes": _in_ec2},
    on_delete=_remove_table,
    tag_type="route-table",
)


def _association(subject: Subject) -> Values | None:
    wanted = [{"Name": "association.route-table-association-id", "Values": [subject.identity]}]
    answer = subject.calls("ec2", "describe_route_tables", {"Filters": wanted})
    query = f"RouteTables[].Associations[?RouteTableAssociationId=='{subject.identity}'][] | [0]"
    found: Values | None = path(query, answer)
    return found


ROUTE_TABLE_ASSOCIATION = regular(
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "AssociationId",
    create="associate_route_table",
    look=_association,
    delete="disassociate_route_table",
    # The provider changes the table in place. The association gets another id, by which Pulumi's state
    # does not know it (pulumi/pulumi-aws#3911). The stand-in replaces it instead.
    replaces="subnetId routeTableId",
)


def _route_id(answer: Values) -> str:
    inputs = answer["inputs"]
    digest = hashlib.sha256(inputs[ANYWHERE].encode()).hexdigest()[:10]
    return f"r-{inputs['routeTableId']}{digest}"


def _route(subject: Subject) -> Values | None:
    table, target = subject.inputs["routeTableId"], subject.inputs[ANYWHERE]
    answer = subject.calls("ec2", "describe_route_tables", {"RouteTableIds": [table]})
    found: Values | None = path(
        f"RouteTables[0].Routes[?DestinationCidrBlock=='{target}'] | [0]", answer
    )
    return found


ROUTE = regular(
    "aws:ec2/route:Route",
    "RouteId",
    scope={"RouteTableId": "routeTableId", "DestinationCidrBlock": ANYWHERE},
    identity_from=_route_id,
    look=_route,
    replaces=f"routeTableId {ANYWHERE}",
    settings=(modify("replace_route", "gatewayId", "natGatewayId"),),
    outputs={"state": "State"},
)


def _change_tables(subject: Subject) -> None:
    """Add and remove the endpoint's route tables that differ."""
    olds, news = (set(each.get("routeTableIds") or ()) for each in (subject.before, subject.inputs))
    changes = {"AddRouteTableIds": sorted(news - olds), "RemoveRouteTableIds": sorted(olds - news)}
    subject.call("modify_vpc_endpoint", **{name: ids for name, ids in changes.items() if ids})


ENDPOINT = regular(
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "VpcEndpointId",
    # EC2 describes a deleted endpoint for a while.
    found="VpcEndpoints[?State!='deleted'] | [0]",
    delete="delete_vpc_endpoints",
    replaces="vpcId serviceName vpcEndpointType",
    settings=(on_change(_change_tables, "routeTableIds"),),
    outputs={"arn": arn("vpc-endpoint"), "ownerId": "OwnerId", "state": "State"},
    tag_type="vpc-endpoint",
    ready=("State", "available"),
)

KINDS = (ROUTE_TABLE, ROUTE_TABLE_ASSOCIATION, ROUTE, ENDPOINT)
