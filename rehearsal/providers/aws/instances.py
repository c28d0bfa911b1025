"""EC2 instances."""

from __future__ import annotations

from rehearsal.providers.aws.ec2 import arn
from rehearsal.providers.kind import Kind, Values

ROOT_DEVICE = "/dev/xvda"
"""Of Amazon Linux; the provider asks the image."""
INTO_THE_INTERFACE = {
    "subnetId": "subnetId",
    "associatePublicIpAddress": "associatePublicIpAddress",
    "vpcSecurityGroupIds": "groups",
}


def _sent(inputs: Values) -> Values:
    """EC2 takes network inputs by the interface and the root disk by its device, as the provider does."""
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


INSTANCE = Kind(
    token="aws:ec2/instance:Instance",
    service="ec2",
    identity="InstanceId",
    create="run_instances",
    identity_from="Instances[0].InstanceId",
    read="describe_instances",
    found="Reservations[0].Instances[?State.Name!='terminated'] | [0]",
    delete="terminate_instances",
    replaces=frozenset({"ami", "subnetId", "associatePublicIpAddress", "keyName", "privateIp"}),
    prepare=_sent,
    ready=("State.Name", "running"),
    outputs={
        "arn": arn("instance"),
        "privateIp": "PrivateIpAddress",
        "publicIp": "PublicIpAddress",
    },
    tag_type="instance",
)

KINDS = (INSTANCE,)
