"""Rules for NAT, addresses, endpoints, flow logs, DNS and the load balancer."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import t
from ops.cost.bill import Case, Rule, UnknownUsage, Use
from ops.cost.graph import Graph, Resource, UnknownInput
from ops.cost.prices import HOURS

HOURLY = t("hours")

ADDRESS = t("public IPv4")


def nat(_: Resource, case: Case) -> Iterator[Use]:
    """Yield a NAT gateway's hours, and its share of the traffic of tasks in private subnets."""
    yield Use(what=HOURLY, group="network", quantity=HOURS, price="nat-hour")
    gigabytes = through_nat(case) / len(case.graph.all("ec2:NatGateway"))
    if gigabytes:
        yield Use(what=t("GB through it"), group="network", quantity=gigabytes, price="nat-gb")


def through_nat(case: Case) -> float:
    """Return GB a month: an image pull for every task start, and the log. Responses leave by the load balancer."""
    services = [each for each in case.graph.all("ecs:Service") if not public_tasks(each)]
    if not services:
        return 0
    assumed = case.assumed
    return assumed.image_gb * assumed.starts + assumed.log_gb


def public_tasks(service: Resource) -> bool:
    """Return whether a service's tasks have public addresses and do not use NAT."""
    network = service.get("networkConfiguration", {})
    return bool(network.get("assignPublicIp"))


def address(_: Resource, __: Case) -> Iterator[Use]:
    """Yield an Elastic IP, which costs the same in use or not (vpc/pricing)."""
    yield Use(what=ADDRESS, group="network", quantity=HOURS, price="ipv4-hour")


def endpoint(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield the hours of an interface endpoint in each zone. A gateway endpoint is free."""
    if resource.get("vpcEndpointType", "Gateway") == "Gateway":
        return
    zones = count_of(resource, "subnetIds", len(zones_of(case.graph)))
    yield Use(what=HOURLY, group="network", quantity=HOURS * zones, price="endpoint-hour")


def zones_of(graph: Graph) -> set[str]:
    """Return the zones in which the graph has subnets."""
    return {str(each.inputs.get("availabilityZone")) for each in graph.all("ec2:Subnet")}


def count_of(resource: Resource, key: str, otherwise: int) -> int:
    """Return the length of a list input; ``otherwise`` when it is known only after an update."""
    try:
        return len(resource.get(key, ()))
    except UnknownInput:
        return otherwise


def flow_log(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield the delivery of a flow log; its log group is billed for storage."""
    kind = resource.get("logDestinationType", "cloud-watch-logs")
    keys = {"cloud-watch-logs": "vended-log-gb", "s3": "vended-log-s3-gb"}
    if kind not in keys:
        raise UnknownUsage(t("no price is known for flow logs to {kind}", kind=str(kind)))
    quantity = case.assumed.flow_log_gb
    yield Use(what=t("GB delivered"), group="monitoring", quantity=quantity, price=keys[kind])


def zone(_: Resource, __: Case) -> Iterator[Use]:
    """Yield a Route 53 hosted zone; queries for alias records to a load balancer are free."""
    yield Use(what=t("hosted zone"), group="other", quantity=1, price="zone")


def certificate(resource: Resource, __: Case) -> Iterator[Use]:
    """Yield nothing for a public certificate, which is free (acm/pricing). Raises UnknownUsage for others."""
    exported = resource.get("options", {}).get("export") == "ENABLED"
    if resource.get("certificateAuthorityArn") or exported:
        raise UnknownUsage(t("only public certificates that are not exported are known to be free"))
    yield from ()


RULES: dict[str, Rule] = {
    "ec2:NatGateway": nat,
    "ec2:Eip": address,
    "ec2:VpcEndpoint": endpoint,
    "ec2:FlowLog": flow_log,
    "route53:Zone": zone,
    "acm:Certificate": certificate,
}


def balancer(resource: Resource, case: Case) -> Iterator[Use]:
    """An Application Load Balancer: hours, LCUs, a public IPv4 in every zone, what it sends out."""
    kind = resource.get("loadBalancerType", "application")
    if kind != "application":
        raise UnknownUsage(
            t("no price is known for a load balancer of type {kind}", kind=str(kind))
        )
    yield Use(what=HOURLY, group="balancer", quantity=HOURS, price="alb-hour")
    capacity = case.assumed.average_lcu * HOURS
    yield Use(what=t("LCU hours"), group="balancer", quantity=capacity, price="alb-lcu")
    if resource.get("internal", False):
        return
    zones = count_of(resource, "subnets", len(zones_of(case.graph)))
    yield Use(what=ADDRESS, group="network", quantity=HOURS * zones, price="ipv4-hour")
    sent = case.assumed.gb_out
    yield Use(what=t("GB to the internet"), group="traffic", quantity=sent, price="out-gb")


BALANCING: dict[str, Rule] = {"lb:LoadBalancer": balancer}
