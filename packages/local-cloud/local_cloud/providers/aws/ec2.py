"""VPCs with their parts, flow logs and EC2 instances."""

from collections.abc import Callable
from typing import Any

from local_cloud.aws.hooks import ACCOUNT
from local_cloud.providers.kind import Setting, Subject, Values, filters, one_by_one, path, regular
from local_cloud.providers.lifecycle import retry

DETACH_SECONDS = 60.0
"""Wall-clock seconds: the provider's 20 minutes at the local cloud's default speed."""


def arn(resource: str) -> Callable[[Subject, Values], str]:
    """Return the ARN of an EC2 resource, which no ``describe`` operation returns."""

    def build(subject: Subject, _: Values) -> str:
        return f"arn:aws:ec2:{subject.calls.region}:{ACCOUNT}:{resource}/{subject.identity}"

    return build


def _of_the_vpc(
    operation: str, expression: str, filtered: str, value: str
) -> Callable[[Subject, Values], Any]:
    """Return the output that is the id of what EC2 made with a VPC."""

    def find(subject: Subject, _: Values) -> Any:
        named = {"vpc-id": subject.identity, filtered: value}
        return path(expression, subject.calls("ec2", operation, {"Filters": filters(named)}))

    return find


ROUTE_TABLE = _of_the_vpc(
    "describe_route_tables", "RouteTables[0].RouteTableId", "association.main", "true"
)
DEFAULT_ACL = _of_the_vpc("describe_network_acls", "NetworkAcls[0].NetworkAclId", "default", "true")
DEFAULT_GROUP = _of_the_vpc(
    "describe_security_groups", "SecurityGroups[0].GroupId", "group-name", "default"
)


def _attribute_of_the_vpc(name: str) -> Callable[[Subject, Values], Any]:
    """Return the function that reads an attribute, of which EC2 describes one at a time."""
    member = name[0].upper() + name[1:]
    return lambda made, _: made.call("describe_vpc_attribute", Attribute=name)[member]["Value"]


VPC = regular(
    "aws:ec2/vpc:Vpc",
    "VpcId",
    replaces="cidrBlock",
    settings=(one_by_one("modify_vpc_attribute", "enableDnsHostnames", "enableDnsSupport"),),
    reads={
        name: _attribute_of_the_vpc(name) for name in ("enableDnsHostnames", "enableDnsSupport")
    },
    defaults={"enableDnsSupport": True},
    outputs={
        "arn": arn("vpc"),
        "ownerId": "OwnerId",
        # awsx reads it. The provider returns "" where there is none.
        "ipv6CidrBlock": "Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock || ''",
        "defaultNetworkAclId": DEFAULT_ACL,
        "defaultRouteTableId": ROUTE_TABLE,
        "defaultSecurityGroupId": DEFAULT_GROUP,
        "mainRouteTableId": ROUTE_TABLE,
    },
    tag_type="vpc",
)


SUBNET = regular(
    "aws:ec2/subnet:Subnet",
    "SubnetId",
    # The provider retries while interfaces of stopped tasks are in it (vpc_subnet.go).
    on_delete=lambda subject: until_free(subject, "delete_subnet"),
    replaces="vpcId cidrBlock availabilityZone",
    settings=(
        one_by_one("modify_subnet_attribute", "mapPublicIpOnLaunch", "assignIpv6AddressOnCreation"),
    ),
    defaults={"assignIpv6AddressOnCreation": False, "mapPublicIpOnLaunch": False},
    outputs={"arn": arn("subnet"), "ownerId": "OwnerId"},
    tag_type="subnet",
)


def _detach(subject: Subject) -> None:
    """Detach an internet gateway. Retry while public addresses are mapped in its VPC.

    The provider does so for 20 minutes (terraform-provider-aws, vpc_internet_gateway.go): tasks that
    ECS stops keep theirs for a while.
    """
    answer = subject.call("describe_internet_gateways")
    for attached in path("InternetGateways[0].Attachments", answer) or []:
        until_free(subject, "detach_internet_gateway", VpcId=attached["VpcId"])


def until_free(subject: Subject, operation: str, **params: str) -> None:
    """Call an operation again while EC2 refuses it for something in use. The last try raises the error."""
    retry(subject, DETACH_SECONDS, "DependencyViolation", operation, **params)


def _attach(subject: Subject) -> None:
    _detach(subject)
    subject.call("attach_internet_gateway", VpcId=subject.inputs["vpcId"])


def _remove_internet_gateway(subject: Subject) -> None:
    _detach(subject)
    subject.call("delete_internet_gateway")


INTERNET_GATEWAY = regular(
    "aws:ec2/internetGateway:InternetGateway",
    "InternetGatewayId",
    settings=(Setting(inputs=("vpcId",), apply=_attach),),
    reads={"vpcId": "Attachments[0].VpcId"},
    on_delete=_remove_internet_gateway,
    outputs={"arn": arn("internet-gateway"), "ownerId": "OwnerId"},
    tag_type="internet-gateway",
)

EIP = regular(
    "aws:ec2/eip:Eip",
    "AllocationId",
    create="allocate_address",
    read="describe_addresses",
    delete="release_address",
    replaces="domain",
    outputs={"allocationId": "AllocationId", "publicIp": "PublicIp"},
    tag_type="elastic-ip",
)

NAT_GATEWAY = regular(
    "aws:ec2/natGateway:NatGateway",
    "NatGatewayId",
    found="NatGateways[?State!='deleted'] | [0]",
    replaces="subnetId allocationId connectivityType",
    reads={"allocationId": "NatGatewayAddresses[0].AllocationId"},
    ready=("State", "available"),
    outputs={"publicIp": "NatGatewayAddresses[0].PublicIp"},
    tag_type="natgateway",
)

OTHER_NAMES = {"iamRoleArn": "deliverLogsPermissionArn"}


def _flow_log(inputs: Values) -> Values:
    """Convert the resource. EC2 takes its id and type; the provider's input name gives the type."""
    rest = {OTHER_NAMES.get(name, name): value for name, value in inputs.items() if name != "vpcId"}
    return {**rest, "resourceIds": [inputs["vpcId"]], "resourceType": "VPC"}


def _flow_log_id(answer: Values) -> str:
    if answer["Unsuccessful"]:
        raise ValueError(answer["Unsuccessful"][0]["Error"]["Message"])
    return str(answer["FlowLogIds"][0])


FLOW_LOG = regular(
    "aws:ec2/flowLog:FlowLog",
    "FlowLogId",
    noun="flow_logs",
    identity_from=_flow_log_id,
    read="describe_flow_logs",
    replaces=(
        "vpcId iamRoleArn logDestination logDestinationType logFormat maxAggregationInterval "
        "trafficType"
    ),
    prepare=_flow_log,
    reads={"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceId"},
    outputs={"arn": arn("vpc-flow-log")},
    tag_type="vpc-flow-log",
)


ROOT_DEVICE = "/dev/xvda"
"""The root device of Amazon Linux. The provider reads it from the image."""
INTO_THE_INTERFACE = {
    "subnetId": "subnetId",
    "associatePublicIpAddress": "associatePublicIpAddress",
    "vpcSecurityGroupIds": "groups",
}


def _instance(inputs: Values) -> Values:
    """Move the network inputs to the interface and the root disk to its device, as the provider does."""
    others = {*INTO_THE_INTERFACE, "ami", "rootBlockDevice", "iamInstanceProfile"}
    rest = {name: value for name, value in inputs.items() if name not in others}
    interface = {new: inputs[old] for old, new in INTO_THE_INTERFACE.items() if old in inputs}
    sent = {
        **rest,
        "imageId": inputs["ami"],
        "minCount": 1,
        "maxCount": 1,
        "networkInterfaces": [{"deviceIndex": 0, **interface}],
    }
    if inputs.get("iamInstanceProfile"):
        sent["iamInstanceProfile"] = {"name": inputs["iamInstanceProfile"]}
    if inputs.get("rootBlockDevice"):
        disk = {"deviceName": ROOT_DEVICE, "ebs": inputs["rootBlockDevice"]}
        sent["blockDeviceMappings"] = [disk]
    return sent


def _profile(_: Subject, found: Values) -> Any:
    return str(found.get("IamInstanceProfile", {}).get("Arn", "")).rpartition("/")[2]


def _root_device(subject: Subject, found: Values) -> Any:
    """Return the root disk as EC2 describes the volume."""
    volume = path("BlockDeviceMappings[0].Ebs.VolumeId", found)
    answer = subject.calls("ec2", "describe_volumes", {"VolumeIds": [volume]})
    return {**answer["Volumes"][0], "VolumeSize": answer["Volumes"][0]["Size"]}


INSTANCE = regular(
    "aws:ec2/instance:Instance",
    "InstanceId",
    create="run_instances",
    found="Reservations[0].Instances[?State.Name!='terminated'] | [0]",
    delete="terminate_instances",
    replaces=(
        "ami subnetId associatePublicIpAddress keyName privateIp rootBlockDevice.encrypted "
        "rootBlockDevice.kmsKeyId"
    ),
    prepare=_instance,
    reads={
        "ami": "ImageId",
        "iamInstanceProfile": _profile,
        "rootBlockDevice": _root_device,
        "vpcSecurityGroupIds": "NetworkInterfaces[0].Groups[].GroupId",
    },
    unread={"deleteOnTermination": "the stand-in does not change it"},
    ready=("State.Name", "running"),
    outputs={
        "arn": arn("instance"),
        "privateIp": "PrivateIpAddress",
        "publicIp": "PublicIpAddress",
    },
    tag_type="instance",
)

KINDS = (*(VPC, SUBNET, INTERNET_GATEWAY, EIP, NAT_GATEWAY), *(FLOW_LOG, INSTANCE))
