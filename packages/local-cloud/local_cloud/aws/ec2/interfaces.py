"""The network interfaces that EC2 makes for NAT gateways and VPC endpoints; moto's lie outside their subnet."""

from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.models.vpcs import VPCEndPoint

from local_cloud.aws.ec2.network import attach, detach, free_address
from local_cloud.aws.hooks import backend

_create_nat_gateway = EC2Backend.create_nat_gateway
_create_vpc_endpoint = EC2Backend.create_vpc_endpoint


def install() -> None:
    """Place the interfaces of what moto makes, before it answers. A second call changes nothing."""
    EC2Backend.create_nat_gateway = _new_nat_gateway  # type: ignore[method-assign,assignment]
    EC2Backend.create_vpc_endpoint = _new_vpc_endpoint  # type: ignore[method-assign,assignment]


def _new_nat_gateway(
    ec2: EC2Backend, subnet_id: str, allocation_id: str, *args: Any, **named: Any
) -> NatGateway:
    """Create a NAT gateway, which fails with an address that is associated: moto refuses it and keeps the interface."""
    asked = [address for address in ec2.addresses if address.allocation_id == allocation_id]
    taken = any(address.association_id for address in asked)
    free = "" if taken else allocation_id
    gateway = _create_nat_gateway(ec2, subnet_id, free, *args, **named)
    of_nat_gateway(gateway)
    if taken:
        gateway.address_set[0]["allocationId"] = allocation_id
        words = f"Elastic IP address [{allocation_id}] is already associated"
        fail(gateway, "Resource.AlreadyAssociated", words)
    return gateway


def _new_vpc_endpoint(ec2: EC2Backend, *args: Any, **named: Any) -> VPCEndPoint:
    endpoint = _create_vpc_endpoint(ec2, *args, **named)
    of_endpoint(endpoint)
    return endpoint


def of_nat_gateway(gateway: Any) -> None:
    """Give a NAT gateway's interface a free address of its subnet.

    It has no security group (VPC user guide, "NAT gateways": "You cannot associate a security group").
    """
    ec2, interface = backend("ec2"), gateway._eni
    address = str(free_address(ec2, ec2.get_subnet(gateway.subnet_id)))
    gateway.private_ip = interface.private_ip_address = address
    interface.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]
    interface.description = f"Interface for NAT Gateway {gateway.id}"
    interface.interface_type, interface.status = "nat_gateway", "in-use"
    interface.requester_managed, interface._group_set = True, []
    for each in gateway.address_set:
        each["privateIp"] = address


def fail(gateway: Any, code: str, words: str) -> None:
    """Let a NAT gateway fail that EC2 has accepted (VPC user guide, "NAT gateway creation fails")."""
    gateway.state, gateway.failure_code, gateway.failure_message = "failed", code, words
    release(gateway)


def release(gateway: Any) -> None:
    """Disassociate the Elastic IP address of a NAT gateway that is deleted or failed, and delete its interface."""
    ec2 = backend("ec2")
    for address in ec2.addresses:
        if address.eni is gateway._eni:
            ec2.disassociate_address(association_id=address.association_id)
    detach(gateway._eni.id)


def of_endpoint(endpoint: Any) -> None:
    """Give an interface endpoint one interface in each of its subnets, with its security groups.

    The default is the VPC's default group (API reference, CreateVpcEndpoint, SecurityGroupId).
    """
    if str(endpoint.vpc_endpoint_type).lower() != "interface":
        return
    ec2 = backend("ec2")
    if not endpoint.security_group_ids:
        default = ec2.get_security_group_from_name("default", endpoint.vpc_id)
        endpoint.security_group_ids = [default.id]
    groups = [ec2.get_security_group_from_id(group) for group in endpoint.security_group_ids]
    kept: dict[str, Any] = {}
    for name in endpoint.network_interface_ids or ():
        interface = ec2.enis.get(name)
        if interface is not None and interface.interface_type == "vpc_endpoint":
            kept[str(interface.subnet.id)] = interface
        else:
            detach(name)
    for subnet in set(kept) - set(endpoint.subnet_ids or ()):
        detach(kept.pop(subnet).id)
    for subnet in endpoint.subnet_ids or ():
        if subnet not in kept:
            words = f"VPC Endpoint Interface {endpoint.id}"
            kept[subnet] = attach(subnet, endpoint.security_group_ids, False, words)
            kept[subnet].interface_type = "vpc_endpoint"
        kept[subnet]._group_set = list(groups)
    endpoint.network_interface_ids = [each.id for each in kept.values()]
