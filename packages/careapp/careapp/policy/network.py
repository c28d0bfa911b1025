"""Controls of EC2: the network and the bastion."""

from collections.abc import Mapping
from typing import Any

from pulumi_policy import PolicyResource

from careapp.policy.access import statements
from careapp.policy.controls import (
    ANYWHERE,
    Checked,
    InStack,
    Resources,
    pointing_at,
    sources,
    table,
    unless,
    value,
)

RULES = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:ec2/securityGroup:SecurityGroup",
)
AUTHORIZED = {80, 443}
RISKY = {
    *(20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333, 5000),
    *(5432, 5500, 5601, 8080, 8088, 8888, 9200, 9300),
}
"""The high-risk ports of EC2.19."""
PARAVIRTUAL = {"c1", "c3", "hs1", "m1", "m2", "m3", "t1"}
REPORTS = "ssm:UpdateInstanceInformation"
"""The action with which the SSM Agent registers an instance."""


@InStack
def default_group_open(vpc: PolicyResource, resources: Resources) -> bool:
    """Return whether the default security group allows traffic, as it does unless the stack manages it."""
    kind = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    groups = [*pointing_at(vpc, resources, kind, "vpcId")]
    return not groups or any(one.props.get("ingress") or one.props.get("egress") for one in groups)


@InStack
def has_no_flow_log(vpc: PolicyResource, resources: Resources) -> bool:
    logs = pointing_at(vpc, resources, "aws:ec2/flowLog:FlowLog", "vpcId")
    return not any(value(one, "trafficType") in {"REJECT", "ALL"} for one in logs)


def has_no_endpoint(service: str) -> InStack:
    def violates(vpc: PolicyResource, resources: Resources) -> bool:
        endpoints = pointing_at(vpc, resources, "aws:ec2/vpcEndpoint:VpcEndpoint", "vpcId")
        return not any(value(one, "serviceName", "").endswith(f".{service}") for one in endpoints)

    return InStack(violates)


def open_ports(rule: Mapping[str, Any]) -> set[int]:
    """Return the ports that an ingress rule opens to the internet."""
    ranges = {rule.get("cidrIpv4"), rule.get("cidrIpv6"), *rule.get("cidrBlocks", [])}
    if not ranges & ANYWHERE:
        return set()
    if str(rule.get("ipProtocol") or rule.get("protocol")) in {"-1", "all"}:
        return set(range(65536))
    return set(range(int(rule["fromPort"]), int(rule["toPort"]) + 1))


def opened(resource: Checked) -> set[int]:
    """Return the ports that a rule, or the rules in a security group, open to the internet."""
    inner = resource.props.get("ingress", [])
    rules = inner if resource.resource_type == RULES[1] else [resource.props]
    return {port for rule in rules for port in open_ports(rule)}


def has_plain_disk(instance: Checked) -> bool:
    disks = [value(instance, "rootBlockDevice", {}), *value(instance, "ebsBlockDevices", [])]
    return any(disk.get("encrypted") is not True for disk in disks)


def allows_imds_v1(instance: Checked) -> bool:
    tokens = value(instance, "metadataOptions.httpTokens")
    return bool(
        tokens != "required" and value(instance, "metadataOptions.httpEndpoint") != "disabled"
    )


@InStack
def is_not_managed(instance: PolicyResource, resources: Resources) -> bool:
    """Return whether no policy of the instance's role allows the SSM Agent to register."""
    roles = [
        role
        for profile in sources(
            instance, "iamInstanceProfile", "aws:iam/instanceProfile:InstanceProfile"
        )
        for role in sources(profile, "role", "aws:iam/role:Role")
    ]
    return not any(
        statement.allows and REPORTS in statement.actions
        for role in roles
        for policy in pointing_at(role, resources, "aws:iam/rolePolicy:RolePolicy", "role")
        for statement in statements(policy)
    )


def has_several_interfaces(instance: Checked) -> bool:
    return len(value(instance, "networkInterfaces", [])) > 1


def is_paravirtual(instance: Checked) -> bool:
    return value(instance, "instanceType", "").partition(".")[0] in PARAVIRTUAL


def opens_more(resource: Checked) -> bool:
    return bool(opened(resource) - AUTHORIZED)


def opens_risky(resource: Checked) -> bool:
    return bool(opened(resource) & RISKY)


ENDPOINTS = {
    "EC2.10": ("the EC2 API", "ec2"),
    "EC2.55": ("the ECR API", "ecr.api"),
    "EC2.56": ("the Docker registry", "ecr.dkr"),
    "EC2.57": ("Systems Manager", "ssm"),
    "EC2.58": ("Incident Manager Contacts", "ssm-contacts"),
    "EC2.60": ("Incident Manager", "ssm-incidents"),
}
PRICE = "$10 a month and zone"
has_address = unless("associatePublicIpAddress", False)
gives_addresses = unless("mapPublicIpOnLaunch", False, default=False)
routes = unless("sourceDestCheck", True, default=True)

CONTROLS = (
    *table(
        "aws:ec2/vpc:Vpc",
        ("EC2.2", "The default security group allows no traffic", default_group_open),
        ("EC2.6", "VPC flow logs are on", has_no_flow_log, "by the gigabyte"),
        *(
            (id_, f"An interface endpoint for {what}", has_no_endpoint(service), PRICE)
            for id_, (what, service) in ENDPOINTS.items()
        ),
    ),
    *table(
        "aws:ec2/subnet:Subnet",
        ("EC2.15", "Subnets do not give out public IP addresses", gives_addresses),
    ),
    *table(
        "aws:ec2/instance:Instance",
        ("EC2.3", "EBS volumes are encrypted", has_plain_disk),
        ("EC2.8", "Instances use IMDSv2", allows_imds_v1),
        ("EC2.9", "Instances have no public IPv4 address", has_address),
        ("EC2.17", "Instances have one network interface", has_several_interfaces),
        ("EC2.24", "No paravirtual instance types", is_paravirtual),
        ("EC2.180", "Network interfaces check source and destination", routes),
        ("SSM.1", "Instances are managed by Systems Manager", is_not_managed),
    ),
    *table(
        RULES,
        ("EC2.18", "Only ports 80 and 443 are open to the world", opens_more),
        ("EC2.19", "No port of high risk is open to the world", opens_risky),
    ),
)
