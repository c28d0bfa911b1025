"""Controls of Amazon EC2: the network, and machines in it."""

from __future__ import annotations

from tests.controls.control import Control, Elsewhere, Service, Wrong, said, unless
from tests.controls.graph import Graph, Resource

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
OLD_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
INSTANCE = "aws:ec2/instance:Instance"
INTERFACE = "aws:ec2/networkInterface:NetworkInterface"
ACL = ("aws:ec2/networkAcl:NetworkAcl", "aws:ec2/networkAclRule:NetworkAclRule")
TEMPLATE = ("aws:ec2/launchTemplate:LaunchTemplate",)
VPN = ("aws:ec2/vpnConnection:VpnConnection",)
SETTING = "as it is a setting of the whole account and Region, which two stacks would fight over"
AUTHORIZED = {80, 443}
RISKY = {
    *(20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333, 5000),
    *(5432, 5500, 5601, 8080, 8088, 8888, 9200, 9300),
}
"""The ports of high risk that EC2.19 names."""
PARAVIRTUAL = {"c1", "c3", "hs1", "m1", "m2", "m3", "t1"}
ANYWHERE = {"0.0.0.0/0", "::/0"}


def default_group_open(vpc: Resource, graph: Graph) -> bool:
    """Unless the stack takes the default group over, AWS leaves it open."""
    groups = list(graph.pointing_at(vpc, DEFAULT_GROUP, "vpcId"))
    return not groups or any(said(one, "ingress") or said(one, "egress") for one in groups)


def no_flow_log(vpc: Resource, graph: Graph) -> bool:
    logs = graph.pointing_at(vpc, "aws:ec2/flowLog:FlowLog", "vpcId")
    return not any(said(one, "trafficType") in {"REJECT", "ALL"} for one in logs)


def no_endpoint(service: str) -> Wrong:
    def wrong(vpc: Resource, graph: Graph) -> bool:
        endpoints = graph.pointing_at(vpc, ENDPOINT, "vpcId")
        return not any(said(one, "serviceName", "").endswith(f".{service}") for one in endpoints)

    return wrong


def open_ports(rule: Resource) -> set[int]:
    """The ports that a rule opens to the whole world; all of them for every protocol."""
    if said(rule, "type", "ingress") != "ingress":
        return set()
    ranges = {said(rule, "cidrIpv4"), said(rule, "cidrIpv6"), *said(rule, "cidrBlocks", [])}
    if not ranges & ANYWHERE:
        return set()
    if str(said(rule, "ipProtocol", said(rule, "protocol"))) in {"-1", "all"}:
        return set(range(65536))
    return set(range(int(said(rule, "fromPort")), int(said(rule, "toPort")) + 1))


def group_ports(group: Resource, graph: Graph) -> set[int]:
    """What a security group opens to the world, by rules of its own and within it."""
    rules = list(graph.pointing_at(group, RULE, "securityGroupId"))
    rules += graph.pointing_at(group, OLD_RULE, "securityGroupId")
    inner = [Resource(OLD_RULE, "", one) for one in said(group, "ingress", [])]
    return {port for rule in [*rules, *inner] for port in open_ports(rule)}


def _vpc(id_: str, title: str, wrong: Wrong) -> Control:
    return Control(id_, title, "VPC", (VPC,), wrong)


def _endpoint(id_: str, what: str, service: str) -> Control:
    return _vpc(id_, f"An interface endpoint for {what}", no_endpoint(service))


def _group(id_: str, title: str, wrong: Wrong) -> Control:
    return Control(id_, title, "security group", (GROUP,), wrong)


def _instance(id_: str, title: str, wrong: Wrong) -> Control:
    return Control(id_, title, "EC2 instance", (INSTANCE,), wrong)


def _template(id_: str, title: str) -> Control:
    return Control(id_, title, "launch template", TEMPLATE)


def _vpn(id_: str, title: str) -> Control:
    return Control(id_, title, "VPN connection", VPN)


def plain_disk(resource: Resource, _: Graph) -> bool:
    if resource.kind == INSTANCE:
        disks = [said(resource, "rootBlockDevice", {}), *said(resource, "ebsBlockDevices", [])]
        return any(disk.get("encrypted") is not True for disk in disks)
    return said(resource, "encrypted") is not True


def old_metadata(instance: Resource, _: Graph) -> bool:
    return said(instance, "metadataOptions.httpTokens") != "required" and (
        said(instance, "metadataOptions.httpEndpoint") != "disabled"
    )


EC2 = Service(
    "EC2",
    "ec2",
    (
        Control(
            "EC2.1",
            "EBS snapshots are not publicly restorable",
            "EBS snapshot",
            ("aws:ebs/snapshot:Snapshot",),
        ),
        _vpc("EC2.2", "The default security group allows no traffic", default_group_open),
        Control(
            "EC2.3",
            "EBS volumes are encrypted",
            "EBS volume",
            ("aws:ebs/volume:Volume", INSTANCE),
            plain_disk,
        ),
        Elsewhere(
            "EC2.4", "Stopped instances are removed in time", "as it is seen at run time only"
        ),
        _vpc("EC2.6", "VPC flow logs are on", no_flow_log),
        Elsewhere(
            "EC2.7",
            "EBS encrypts by default",
            SETTING,
            ("aws:ebs/encryptionByDefault:EncryptionByDefault",),
        ),
        _instance("EC2.8", "Instances use IMDSv2", old_metadata),
        _instance(
            "EC2.9",
            "Instances have no public IPv4 address",
            unless("associatePublicIpAddress", False),
        ),
        _endpoint("EC2.10", "the EC2 API", "ec2"),
        Control(
            "EC2.15",
            "Subnets do not give out public IP addresses",
            "subnet",
            (SUBNET,),
            unless("mapPublicIpOnLaunch", False, default=False),
        ),
        Control("EC2.16", "Unused network ACLs are removed", "network ACL", ACL),
        _instance(
            "EC2.17",
            "Instances have one network interface",
            lambda one, _: len(said(one, "networkInterfaces", [])) > 1,
        ),
        _group(
            "EC2.18",
            "Only ports 80 and 443 are open to the world",
            lambda one, graph: bool(group_ports(one, graph) - AUTHORIZED),
        ),
        _group(
            "EC2.19",
            "No port of high risk is open to the world",
            lambda one, graph: bool(group_ports(one, graph) & RISKY),
        ),
        _vpn("EC2.20", "Both VPN tunnels are up"),
        Control("EC2.21", "Network ACLs keep the world from ports 22 and 3389", "network ACL", ACL),
        Control(
            "EC2.23",
            "Transit gateways do not accept attachments by themselves",
            "transit gateway",
            ("aws:ec2transitgateway/transitGateway:TransitGateway",),
        ),
        _instance(
            "EC2.24",
            "No paravirtual instance types",
            lambda one, _: said(one, "instanceType", "").partition(".")[0] in PARAVIRTUAL,
        ),
        _template("EC2.25", "Launch templates assign no public IP addresses"),
        Control(
            "EC2.51",
            "Client VPN endpoints log connections",
            "Client VPN endpoint",
            ("aws:ec2clientvpn/endpoint:Endpoint",),
        ),
        _endpoint("EC2.55", "the ECR API", "ecr.api"),
        _endpoint("EC2.56", "the Docker registry", "ecr.dkr"),
        _endpoint("EC2.57", "Systems Manager", "ssm"),
        _endpoint("EC2.58", "Incident Manager Contacts", "ssm-contacts"),
        _endpoint("EC2.60", "Incident Manager", "ssm-incidents"),
        _template("EC2.170", "Launch templates use IMDSv2"),
        _vpn("EC2.171", "VPN connections log"),
        Elsewhere(
            "EC2.172",
            "VPC Block Public Access blocks internet gateways",
            f"{SETTING}; it would also take the load balancer off the internet",
            ("aws:vpc/blockPublicAccessOptions:BlockPublicAccessOptions",),
        ),
        Control(
            "EC2.173",
            "Spot Fleets encrypt their volumes",
            "Spot Fleet",
            ("aws:ec2/spotFleetRequest:SpotFleetRequest",),
        ),
        Control(
            "EC2.180",
            "Network interfaces check source and destination",
            "network interface of its own",
            (INSTANCE, INTERFACE),
            unless("sourceDestCheck", True, default=True),
        ),
        _template("EC2.181", "Launch templates encrypt volumes"),
        Elsewhere(
            "EC2.182",
            "EBS snapshots cannot be made public",
            SETTING,
            ("aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess",),
        ),
        _vpn("EC2.183", "VPN connections use IKEv2"),
    ),
    ("ec2", "vpc", "awsx", "ebs"),
)
