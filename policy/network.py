"""Controls of EC2: the network and the bastion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi_policy import PolicyResource

from policy.access import statements
from policy.controls import (
    ANYWHERE,
    Check,
    Checked,
    Control,
    Resources,
    StackCheck,
    pointing_at,
    sources,
    unless,
    value,
)

VPC = ("aws:ec2/vpc:Vpc",)
INSTANCE = ("aws:ec2/instance:Instance",)
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


def default_group_open(vpc: PolicyResource, resources: Resources) -> bool:
    """Return whether the default security group allows traffic, as it does unless the stack manages it."""
    kind = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    groups = [*pointing_at(vpc, resources, kind, "vpcId")]
    return not groups or any(one.props.get("ingress") or one.props.get("egress") for one in groups)


def has_no_flow_log(vpc: PolicyResource, resources: Resources) -> bool:
    logs = pointing_at(vpc, resources, "aws:ec2/flowLog:FlowLog", "vpcId")
    return not any(value(one, "trafficType") in {"REJECT", "ALL"} for one in logs)


def has_no_endpoint(service: str) -> StackCheck:
    def violates(vpc: PolicyResource, resources: Resources) -> bool:
        endpoints = pointing_at(vpc, resources, "aws:ec2/vpcEndpoint:VpcEndpoint", "vpcId")
        return not any(value(one, "serviceName", "").endswith(f".{service}") for one in endpoints)

    return violates


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
        each.allows and REPORTS in each.actions
        for role in roles
        for policy in pointing_at(role, resources, "aws:iam/rolePolicy:RolePolicy", "role")
        for each in statements(policy)
    )


def _endpoint(id_: str, what: str, service: str) -> Control:
    return Control(
        id_,
        f"An interface endpoint for {what}",
        VPC,
        violates_in=has_no_endpoint(service),
        cost="$10 a month and zone",
    )


def _instance(id_: str, text: str, violates: Check) -> Control:
    return Control(id_, text, INSTANCE, violates)


CONTROLS = (
    Control(
        "EC2.2", "The default security group allows no traffic", VPC, violates_in=default_group_open
    ),
    _instance("EC2.3", "EBS volumes are encrypted", has_plain_disk),
    Control(
        "EC2.6", "VPC flow logs are on", VPC, violates_in=has_no_flow_log, cost="by the gigabyte"
    ),
    _instance("EC2.8", "Instances use IMDSv2", allows_imds_v1),
    _instance(
        "EC2.9", "Instances have no public IPv4 address", unless("associatePublicIpAddress", False)
    ),
    _endpoint("EC2.10", "the EC2 API", "ec2"),
    Control(
        "EC2.15",
        "Subnets do not give out public IP addresses",
        ("aws:ec2/subnet:Subnet",),
        unless("mapPublicIpOnLaunch", False, default=False),
    ),
    _instance(
        "EC2.17",
        "Instances have one network interface",
        lambda one: len(value(one, "networkInterfaces", [])) > 1,
    ),
    Control(
        "EC2.18",
        "Only ports 80 and 443 are open to the world",
        RULES,
        lambda one: bool(opened(one) - AUTHORIZED),
    ),
    Control(
        "EC2.19",
        "No port of high risk is open to the world",
        RULES,
        lambda one: bool(opened(one) & RISKY),
    ),
    _instance(
        "EC2.24",
        "No paravirtual instance types",
        lambda one: value(one, "instanceType", "").partition(".")[0] in PARAVIRTUAL,
    ),
    _endpoint("EC2.55", "the ECR API", "ecr.api"),
    _endpoint("EC2.56", "the Docker registry", "ecr.dkr"),
    _endpoint("EC2.57", "Systems Manager", "ssm"),
    _endpoint("EC2.58", "Incident Manager Contacts", "ssm-contacts"),
    _endpoint("EC2.60", "Incident Manager", "ssm-incidents"),
    _instance(
        "EC2.180",
        "Network interfaces check source and destination",
        unless("sourceDestCheck", True, default=True),
    ),
    Control(
        "SSM.1", "Instances are managed by Systems Manager", INSTANCE, violates_in=is_not_managed
    ),
)
