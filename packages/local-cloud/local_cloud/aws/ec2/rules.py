"""AWS's rules for VPCs, security groups and prefix lists that moto lacks: resources in use, and changes of rules."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from itertools import chain
from typing import Any

from botocore import xform_name

from local_cloud.aws.ec2 import interfaces
from local_cloud.aws.hooks import (
    ACCOUNT,
    Params,
    Refusals,
    Refused,
    after,
    backend,
    before,
    instead,
    number_outside,
    twice,
)


@after("ec2", "CreateNatGateway")
def nat_needs_internet_gateway(_params: Params) -> None:
    made = _newest("nat_gateways")
    if made.connectivity_type != "private" and not internet_gateway(made.vpc_id):
        words = f"Network {made.vpc_id} has no Internet gateway attached"
        interfaces.fail(made, "Gateway.NotAttached", words)


@after("ec2", "DeleteNatGateway")
def interface_goes_with_the_nat_gateway(params: Params) -> None:
    """Release the gateway's interface and address, which moto keeps (VPC user guide, "Delete a NAT gateway")."""
    interfaces.release(backend("ec2").nat_gateways[params["NatGatewayId"]])


@after("ec2", "ModifyVpcEndpoint")
def changed_endpoint_has_interfaces(params: Params) -> None:
    endpoint = backend("ec2").vpc_end_points[params["VpcEndpointId"]]
    interfaces.of_endpoint(endpoint)
    _keep(endpoint, params, "DnsOptions", "IpAddressType")


@after("ec2", "CreateVpcEndpoint")
def endpoint_keeps_its_options(params: Params) -> None:
    """Keep what moto drops; the addresses of the interfaces, too (API reference, SubnetConfiguration)."""
    made, cards = _newest("vpc_end_points"), backend("ec2").enis
    _keep(made, params, "DnsOptions", "IpAddressType")
    asked = {
        each["SubnetId"]: each.get("Ipv4") for each in params.get("SubnetConfigurations") or ()
    }
    for card in (cards[name] for name in made.network_interface_ids or () if name in cards):
        if address := asked.get(card.subnet.id):
            card.private_ip_address = address
            card.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]


@after("ec2", "CreateCustomerGateway")
def customer_gateway_keeps_its_device(params: Params) -> None:
    _keep(_newest("customer_gateways"), params, "DeviceName")


@after("ec2", "CreateDhcpOptions")
def dhcp_options_keep_their_tags(params: Params) -> None:
    tags = [tag for spec in params.get("TagSpecifications") or () for tag in spec["Tags"]]
    _newest("dhcp_options_sets").add_tags({tag["Key"]: tag["Value"] for tag in tags})


def _newest(table: str) -> Any:
    return list(getattr(backend("ec2"), table).values())[-1]


def _keep(made: Any, params: Params, *names: str) -> None:
    """Keep parameters that moto drops, by the names by which it describes them."""
    for name in names:
        if name in params:
            setattr(made, xform_name(name), params[name])


def internet_gateway(vpc_id: str) -> bool:
    gateways = backend("ec2").internet_gateways.values()
    return any(gateway.vpc and gateway.vpc.id == vpc_id for gateway in gateways)


def _associated(given: Params) -> bool:
    tables, subnet = backend("ec2").route_tables, given["SubnetId"]
    others = (table for name, table in tables.items() if name != given["RouteTableId"])
    return any(subnet in other._associations.values() for other in others)


def _subnet_in_use(subnet: str) -> bool:
    ec2, balancers = backend("ec2"), backend("elbv2").load_balancers.values()
    gateways = [each.subnet_id for each in ec2.nat_gateways.values() if each.state != "deleted"]
    nodes = [each.id for balancer in balancers for each in balancer.subnets]
    return subnet in (*gateways, *nodes, *(interface.subnet.id for interface in ec2.enis.values()))


def _vpc_in_use(vpc: str) -> bool:
    """Return whether a VPC has gateways, groups or network ACLs (EC2, DeleteVpc); moto asks for the others."""
    ec2, chosen = backend("ec2"), {"vpc-id": [vpc]}
    groups = [group.name != "default" for group in ec2.describe_security_groups(filters=chosen)]
    acls = [not acl.default for acl in ec2.describe_network_acls(filters=chosen)]
    ends = [each.vpc_id == vpc and each.state != "deleted" for each in ec2.vpc_end_points.values()]
    return any((*groups, *acls, *ends, internet_gateway(vpc)))


@before("ec2", "ModifyVpcEndpoint")
def gateway_endpoint_has_routes(params: Params) -> None:
    """Add and remove the endpoint's routes together with its route tables; moto changes the tables only."""
    ec2 = backend("ec2")
    [endpoint] = ec2.describe_vpc_endpoints([params["VpcEndpointId"]])
    prefixes = endpoint.destination_prefix_list_id
    for table in params.get("AddRouteTableIds") or ():
        ec2.create_route(table, None, destination_prefix_list_id=prefixes, gateway_id=endpoint.id)
    for table in params.get("RemoveRouteTableIds") or ():
        ec2.delete_route(table, None, destination_prefix_list_id=prefixes)


def _second_route(given: Params) -> tuple[str, str] | None:
    """Return a route table that leads to the service of a gateway endpoint, and the prefix list of that route."""
    known = backend("ec2").vpc_end_points
    changed = known[given["VpcEndpointId"]] if "VpcEndpointId" in given else None
    service = changed.service_name if changed else given["ServiceName"]
    tables = given.get("AddRouteTableIds" if changed else "RouteTableIds") or ()
    for other in known.values():
        taken = set(tables) & set(other.route_table_ids or ())
        if other.state != "deleted" and other.service_name == service and taken:
            return min(taken), other.destination_prefix_list_id
    return None


@after("ec2", "RunInstances")
def interfaces_end_with_the_instance(params: Params) -> None:
    """Delete new interfaces with their instance unless the call says otherwise; moto keeps them.

    EC2 user guide, "Delete a network interface": the default of an interface that is created at launch.
    """
    kept = {
        int(each.get("DeviceIndex") or 0)
        for each in params.get("NetworkInterfaces") or ()
        if each.get("NetworkInterfaceId") or str(each.get("DeleteOnTermination")).lower() == "false"
    }
    for instance in _newest("reservations").instances:
        for index, interface in instance.nics.items():
            interface.delete_on_termination = int(index) not in kept


def _vpcs_with_public_addresses() -> Iterator[str]:
    """Yield the VPCs of NAT gateways, load balancers (jenkins-x/terraform-aws-eks-jx issue 373), instances, and network
    interfaces of Fargate tasks (alchemy-run/alchemy pull request 1125) with a public address.
    """
    for balancer in backend("elbv2").load_balancers.values():
        if balancer.scheme != "internal":
            yield balancer.vpc_id
    for interface in backend("ec2").enis.values():
        if interface.public_ip:
            yield interface.subnet.vpc_id


def _group_in_use(group: str) -> bool:
    """Return whether a network interface has a group or another group's rule names it (DeleteSecurityGroup).

    moto keeps no interfaces of load balancers and DB instances, which have their groups.
    """
    cards = ([each.id for each in card._group_set] for card in backend("ec2").enis.values())
    balancers = (balancer.security_groups for balancer in backend("elbv2").load_balancers.values())
    databases = (database.vpc_security_group_ids for database in backend("rds").databases.values())
    every = backend("ec2").describe_security_groups()
    others = (each for each in every if each.id != group)
    named = ([(rule.source_group or {}).get("GroupId") for rule in _rules(each)] for each in others)
    return any(group in (held or ()) for held in chain(cards, balancers, databases, named))


def _rules(group: Any) -> list[Any]:
    return [*group.ingress_rules, *group.egress_rules] if group else []


def _permissions(given: Params) -> list[tuple[str, str, str, str]]:
    """Return the protocol, the ports and the peer of each rule that a call asks for."""
    return [
        (str(each["IpProtocol"]).upper(), str(each.get("FromPort")), str(each.get("ToPort")), peer)
        for each in given.get("IpPermissions") or ()
        for peer in _peers(each)
    ]


MOST_RULES = 60
"""The default of the quota (VPC user guide, "Amazon VPC quotas"), which moto has, too."""
PREFIX_LIST_WEIGHTS = {"cloudfront.origin-facing": 55, "groundstation": 5, "vpc-lattice": 10}
"""How many rules AWS's own prefix lists count for, of those that moto has, where not 1 (VPC user guide, "AWS-managed
prefix list weight")."""


def _unknown_list(given: Params) -> str | None:
    known, peers = backend("ec2").managed_prefix_lists, (each[3] for each in _permissions(given))
    return next((peer for peer in peers if peer.startswith("pl-") and peer not in known), None)


def _over_quota(given: Params) -> bool:
    """Return whether a group would have more rules than the quota lets it.

    A prefix list counts for its maximum number of entries (VPC user guide, "Amazon VPC quotas"); to moto it counts for
    nothing. The quota of IPv4 and of IPv6 is separate there, and here one.
    """
    group = backend("ec2").get_security_group_from_id(given["GroupId"])
    held = [rule.prefix_list_id or "" for rule in group.ingress_rules] if group else []
    return sum(map(_weight, [*held, *(each[3] for each in _permissions(given))])) > MOST_RULES


def _weight(peer: str) -> int:
    if (known := backend("ec2").managed_prefix_lists.get(peer)) is None:
        return 1
    weights = PREFIX_LIST_WEIGHTS.items()
    ends = (weight for end, weight in weights if known.prefix_list_name.endswith(f".{end}"))
    return int(known.max_entries or next(ends, 1))


def _peers(asked: Params) -> Iterator[str]:
    for members, name in (
        ("UserIdGroupPairs", "GroupId"),
        ("IpRanges", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId"),
    ):
        for peer in asked.get(members) or ():
            if peer.get(name):
                yield str(peer[name])


PEERS = {
    "CidrIpv4": "an IPv4 CIDR",
    "CidrIpv6": "an IPv6 CIDR",
    "PrefixListId": "a prefix list",
    "ReferencedGroupId": "a referenced group id",
}
"""The members of a SecurityGroupRuleRequest that name a rule's peer (botocore), with EC2's words."""


def _other_kind(given: Params) -> tuple[str, str, str] | None:
    """Return a rule about a network that would become one about a group, or the reverse, with the words of both."""
    for rule, request in _changes(given):
        asked = next((name for name in PEERS if request.get(name)), None)
        if asked is not None and asked != (kind := _kind(rule)):
            return rule.id, PEERS[asked], PEERS[kind].split(" ", 1)[1]
    return None


@after("ec2", "ModifySecurityGroupRules")
def peer_is_changed(params: Params) -> None:
    """Write the new group, IPv6 network or prefix list into moto's rule, and a group's description beside it."""
    for rule, request in _changes(params):
        if group := request.get("ReferencedGroupId"):
            rule.source_group = {"GroupId": group, "OwnerId": ACCOUNT, "UserId": ACCOUNT}
            # moto writes it into the network, which this rule does not have.
            if words := rule.ip_range.pop("Description", None):
                rule.source_group["Description"] = words
        if network := request.get("CidrIpv6"):
            rule.ip_range["CidrIpv6"] = network
        rule.prefix_list_id = request.get("PrefixListId") or rule.prefix_list_id


FILTERS = {
    name: name.title().replace("-", "")
    for name in ("group-id", "group-name", "description", "owner-id", "primary-vpc-id")
}
"""Filters of GetSecurityGroupsForVpc without those of tags, and the members that they compare (botocore)."""


@instead("ec2", "GetSecurityGroupsForVpc")
def groups_for_vpc(params: Params) -> Params:
    """Return the security groups of a VPC, all on one page. No VPC here shares groups of another one."""
    ec2, vpc = backend("ec2"), params["VpcId"]
    ec2.get_vpc(vpc)  # raises InvalidVpcID.NotFound
    found = [
        {
            "GroupId": group.id,
            "GroupName": group.name,
            "Description": group.description,
            "OwnerId": ACCOUNT,
            "PrimaryVpcId": vpc,
            "Tags": group.get_tags(),
        }
        for group in ec2.groups[vpc].values()
    ]
    for wanted in params.get("Filters") or []:
        if wanted["Name"] not in FILTERS:
            words = f"The filter '{wanted['Name']}' is invalid"
            raise Refused("InvalidParameterValue", words)
        found = [group for group in found if group[FILTERS[wanted["Name"]]] in wanted["Values"]]
    return {"SecurityGroupForVpcs": found}


def _changes(params: Params) -> Iterator[tuple[Any, Params]]:
    group = backend("ec2").get_security_group_from_id(params["GroupId"])
    for change in params["SecurityGroupRules"]:
        rule = group.get_rule(change["SecurityGroupRuleId"]) if group else None
        if rule is not None:
            yield rule, change["SecurityGroupRule"]


def _kind(rule: Any) -> str:
    if rule.source_group:
        return "ReferencedGroupId"
    if rule.prefix_list_id:
        return "PrefixListId"
    return "CidrIpv6" if rule.cidr_ipv6 else "CidrIpv4"


def _too_many(given: Params) -> tuple[int, int] | None:
    """Return the most entries that a prefix list may have, and those that it would have."""
    known = backend("ec2").managed_prefix_lists.get(given.get("PrefixListId"))
    held = {entry["Cidr"] for entry in known.entries.get(known.version, ())} if known else set()
    removed = {entry["Cidr"] for entry in given.get("RemoveEntries") or ()}
    added = [entry["Cidr"] for name in ("Entries", "AddEntries") for entry in given.get(name) or ()]
    count = len(held - removed | {*added}) if known else len(added)
    most = int((known.max_entries if known else given["MaxEntries"]) or count)
    return (most, count) if count > most else None


def _other_version(given: Params) -> bool:
    known = backend("ec2").managed_prefix_lists[given["PrefixListId"]]
    changes = given.get("AddEntries") or given.get("RemoveEntries")
    return bool(changes) and int(given.get("CurrentVersion") or 0) != known.version


def elsewhere(names: Iterable[str]) -> str | None:
    """Return the first of these subnets and security groups that does not exist or has another VPC than the first."""
    ec2 = backend("ec2")
    known = (*ec2.describe_subnets(), *ec2.describe_security_groups())
    places = {each.id: each.vpc_id for each in known}
    vpcs = [(name, places.get(name)) for name in names]
    return next((name for name, vpc in vpcs if vpc is None or vpc != vpcs[0][1]), None)


def _ports(given: Params) -> Any:
    """Return a range of ports that is none."""
    changes = (change["SecurityGroupRule"] for change in given.get("SecurityGroupRules") or ())
    for rule in (*(given.get("IpPermissions") or ()), *changes):
        low, high = (int(rule.get(name) or 0) for name in ("FromPort", "ToPort"))
        tcp = str(rule.get("IpProtocol")) in ("tcp", "udp", "6", "17")
        if tcp and not 0 <= low <= high <= 65535:
            return f"{low}-{high}"
    return None


def _unknown_group(given: Params) -> Any:
    asked = list(given.get("SecurityGroupIds") or given.get("SecurityGroupId") or ())
    for interface in given.get("NetworkInterfaces") or ():
        asked += interface.get("Groups") or interface.get("SecurityGroupId") or []
    return next((subnet for subnet in asked if elsewhere([subnet])), None)


def _address_in_use(given: Params) -> Any:
    """Return the address that a NAT gateway has."""
    ec2, asked = backend("ec2"), given.get("AllocationId")
    held = {gateway._eni.id for gateway in ec2.nat_gateways.values() if gateway.state != "deleted"}
    taken = (e for e in ec2.addresses if e.allocation_id == asked and e.eni)
    return next((address.public_ip for address in taken if address.eni.id in held), None)


def _same_route(given: Params) -> str | None:
    table = backend("ec2").route_tables[given["RouteTableId"]]
    asked = ip_network(given["DestinationCidrBlock"], strict=False)
    held = {route.destination_cidr_block for route in table.routes}
    return str(asked) if str(asked) in held else None


VALUE, KEYS = "InvalidParameterValue", ("RouteTableId", "DestinationPrefixListId")

# fmt: off
REFUSALS: Refusals = {
    "ec2 AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress": (
        (VALUE, "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.", lambda p: any(
            permission.get("IpProtocol") in ("tcp", "udp", "6", "17") and permission.get("FromPort") is None
            for permission in p.get("IpPermissions") or ())),
        (VALUE, "Invalid value for portRange: {}", _ports),
        (VALUE, "ICMP code ({}) out of range", lambda p: next((
            each["FromPort"] for each in p.get("IpPermissions") or ()
            if each.get("IpProtocol") in ("icmp", "icmpv6") and number_outside(each, "FromPort", -1, 255)), None)),
        ("MissingParameter", "The request must contain the parameter ipPermissions",
         lambda p: not any(p.get(name) for name in ("IpPermissions", "IpProtocol", "SourceSecurityGroupName"))
         or not all(any(_peers(permission)) for permission in p.get("IpPermissions") or ())),
        # hashicorp/terraform-provider-aws issue 29492
        (VALUE, "The same permission must not appear multiple times", lambda p: twice(_permissions(p))),
        ("InvalidGroup.NotFound", "You have specified two resources that belong to different networks: {}",
         lambda p: elsewhere([p["GroupId"], *(pair["GroupId"] for each in p.get("IpPermissions") or ()
                                             for pair in each.get("UserIdGroupPairs") or () if pair.get("GroupId"))])),
    ),
    "ec2 AuthorizeSecurityGroupIngress": (
        ("InvalidPrefixListID.NotFound", "The prefix list ID '{}' does not exist", _unknown_list),
        ("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.",
         _over_quota),
    ),
    "ec2 ModifySecurityGroupRules": (
        (VALUE, "Invalid value for portRange: {}", _ports),
        # github.com/mukulmantosh/SampleDemo/issues/1
        (VALUE, "Invalid rule type for security group rule '{0[0]}'. You may not specify {0[1]} for an existing {0[2]} "
         "rule.", _other_kind),
    ),
    "ec2 CreateSecurityGroup": (
        ("InvalidVpcID.NotFound", "The vpc ID '{}' does not exist",
         lambda p: (vpc := p.get("VpcId")) and vpc not in backend("ec2").vpcs and vpc),
    ),
    "ec2 CreateVpcEndpoint ModifyVpcEndpoint": (  # eksctl-io/eksctl issue 2510
        ("RouteAlreadyExists", "route table {0[0]} already has a route with destination-prefix-list-id {0[1]}",
         _second_route),
    ),
    "ec2 CreateVpcEndpoint": (
        ("InvalidParameter", "A gateway endpoint has no subnets, no security groups and no private DNS name.",
         lambda p: p.get("VpcEndpointType", "Gateway") == "Gateway" and any(
             p.get(name) for name in ("SubnetIds", "SecurityGroupIds", "PrivateDnsEnabled"))),
        ("InvalidParameter", "The subnet or security group {} is not one of the endpoint's VPC", lambda p: next((
            name for name in (*(p.get("SubnetIds") or ()), *(p.get("SecurityGroupIds") or ()))
            if elsewhere([backend("ec2").get_security_group_from_name("default", p["VpcId"]).id, name])), None)),
    ),
    "ec2 CreateNatGateway": (
        ("MissingParameter", "The request must include the AllocationId parameter",
         lambda p: p.get("ConnectivityType") != "private" and not p.get("AllocationId")),
        ("InvalidParameterCombination", "You cannot specify an Elastic IP address with a private NAT gateway.",
         lambda p: p.get("ConnectivityType") == "private" and p.get("AllocationId")),
    ),
    "ec2 DeleteRoute": (
        (VALUE, "cannot remove local route {} in route table", lambda p: (
            (name := p.get("DestinationCidrBlock")) in [
                route.destination_cidr_block for route in backend("ec2").route_tables[p["RouteTableId"]].routes
                if route.local] and name)),
    ),
    "ec2 DeleteNatGateway": (
        ("NatGatewayNotFound", "The Nat Gateway {} was not found",
         lambda p: (name := p["NatGatewayId"]) not in backend("ec2").nat_gateways and name),
    ),
    "ec2 DeleteSubnet": (
        ("DependencyViolation", "The subnet '{}' has dependencies and cannot be deleted.",
         lambda p: _subnet_in_use(p["SubnetId"]) and p["SubnetId"]),
    ),
    "ec2 DeleteVpc": (
        ("DependencyViolation", "The vpc '{}' has dependencies and cannot be deleted.",
         lambda p: _vpc_in_use(p["VpcId"]) and p["VpcId"]),
    ),
    "ec2 DetachInternetGateway": (  # hashicorp/terraform issue 497
        ("DependencyViolation", "Network {} has some mapped public address(es). Please unmap those public address(es) "
         "before detaching the gateway.", lambda p: p["VpcId"] in _vpcs_with_public_addresses() and p["VpcId"]),
    ),
    # The code for "gone already" of hashicorp/terraform-provider-aws, internal/service/ec2/errors.go.
    "ec2 RevokeSecurityGroupIngress RevokeSecurityGroupEgress": (
        ("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '{}' does not exist", lambda p: next(
            (rule_id for rule_id in p.get("SecurityGroupRuleIds") or () if rule_id not in [rule.id for rule in _rules(
                backend("ec2").get_security_group_from_id(p.get("GroupId")))]), None)),
    ),
    "ec2 ModifyManagedPrefixList": (  # hashicorp/terraform-provider-aws issue 43528
        ("PrefixListVersionMismatch", "The prefix list has the incorrect version number.", _other_version),
    ),
    "ec2 CreateManagedPrefixList ModifyManagedPrefixList": (  # AWS does not document the message
        ("PrefixListMaxEntriesExceeded", "The prefix list may have {0[0]} entries at most, not {0[1]}.", _too_many),
    ),
    "ec2 DeleteManagedPrefixList": (  # botocore: "You must first remove all references"
        ("DependencyViolation", "The prefix list is in use by the security group '{}'.", lambda p: next((
            group.id for group in backend("ec2").describe_security_groups()
            if p["PrefixListId"] in [rule.prefix_list_id for rule in _rules(group)]), None)),
    ),
    "ec2 DeleteSecurityGroup": (
        ("DependencyViolation", "resource {} has a dependent object",
         lambda p: _group_in_use(p["GroupId"]) and p["GroupId"]),
        ("CannotDelete", 'the specified group: "{}" name: "default" cannot be deleted by a user',
         lambda p: p.get("GroupId") in {
             group.id for group in backend("ec2").describe_security_groups(groupnames=["default"])} and p["GroupId"]),
    ),
    "ec2 AssociateRouteTable": (  # hashicorp/terraform-provider-aws issue 38960
        ("Resource.AlreadyAssociated", "the specified association for route table {} conflicts with an existing "
         "association", lambda p: _associated(p) and p["RouteTableId"]),
        (VALUE, "route table {0[RouteTableId]} and subnet {0[SubnetId]} belong to different networks", lambda p: (
            p.get("SubnetId") and backend("ec2").route_tables[p["RouteTableId"]].vpc_id
            != backend("ec2").get_subnet(p["SubnetId"]).vpc_id and p)),
    ),
    "ec2 AttachInternetGateway": (
        ("Resource.AlreadyAssociated", "Network {} already has an internet gateway attached",
         lambda p: internet_gateway(p["VpcId"]) and p["VpcId"]),
    ),
    "ec2 DeleteRouteTable": (
        ("DependencyViolation", "The routeTable '{}' has dependencies and cannot be deleted.",
         lambda p: backend("ec2").route_tables[p["RouteTableId"]].main_association_id and p["RouteTableId"]),
    ),
    "ec2 AssociateVpcCidrBlock": (
        ("CidrConflict", "The CIDR '{}' conflicts with another CIDR of the VPC", lambda p: p.get("CidrBlock") and any(
            ip_network(p["CidrBlock"]).overlaps(ip_network(association["cidr_block"]))
            for association in backend("ec2").vpcs[p["VpcId"]].get_cidr_block_association_set()) and p["CidrBlock"]),
    ),
    "ec2 CreateNetworkAclEntry ReplaceNetworkAclEntry": (
        ("MissingParameter", "The request must contain the parameter portRange for the protocol {}",
         lambda p: p["Protocol"] in ("6", "17") and not p.get("PortRange") and p["Protocol"]),
    ),
    "ec2 ReplaceNetworkAclEntry": (
        ("InvalidNetworkAclEntry.NotFound", "The entry {} of the network acl does not exist", lambda p: (
            (int(p["RuleNumber"]), str(p["Egress"]).lower()) not in [
                (int(entry.rule_number), str(entry.egress).lower())
                for entry in backend("ec2").network_acls[p["NetworkAclId"]].network_acl_entries] and p["RuleNumber"])),
    ),
    "ec2 ModifySubnetAttribute": (
        (VALUE, "The subnet {0[SubnetId]} has no IPv6 CIDR block.", lambda p: (
            str((p.get("AssignIpv6AddressOnCreation") or {}).get("Value")).lower() == "true"
            and not backend("ec2").get_subnet(p["SubnetId"]).ipv6_cidr_block_associations and p)),
    ),
    "ec2 CreateSubnet": (
        ("InvalidSubnet.Range", "The CIDR '{}' is invalid.", lambda p: (
            (text := p.get("CidrBlock")) and ip_network(text, strict=False).prefixlen not in range(16, 29) and text)),
        (VALUE, "Value ({}) for parameter availabilityZone is invalid.", lambda p: (
            (zone := p.get("AvailabilityZone")) and zone not in {
                each.name for each in backend("ec2").describe_availability_zones()} and zone)),
    ),
    "ec2 CreateRoute": (
        ("RouteAlreadyExists", "The route identified by {} already exists.", _same_route),
        ("InvalidNatGatewayID.NotFound", "The natGateway ID '{}' does not exist",
         lambda p: (name := p.get("NatGatewayId")) and name not in backend("ec2").nat_gateways and name),
        (VALUE, "route table {0[RouteTableId]} and network gateway {0[GatewayId]} belong to different networks",
         lambda p: (gateway := backend("ec2").internet_gateways[p["GatewayId"]]) and (
             not gateway.vpc or gateway.vpc.id != backend("ec2").route_tables[p["RouteTableId"]].vpc_id) and p),
        ("InvalidParameterCombination", "The request must contain exactly one of gatewayId, natGatewayId, "
         "networkInterfaceId, vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId.",
         lambda p: len([name for name in p if name.endswith("Id") and name not in KEYS]) != 1),
    ),
    "ec2 ReleaseAddress": (("InvalidIPAddress.InUse", "Address {} is in use.", _address_in_use),),
    "ec2 RunInstances": (
        ("InvalidGroup.NotFound", "The security group '{}' does not exist", _unknown_group),
        (VALUE, "Value ({}) for parameter minCount is invalid. It must not exceed maxCount.",
         lambda p: int(p["MinCount"]) > int(p["MaxCount"]) and p["MinCount"]),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
