"""The log of what a VPC's network interfaces take and refuse."""

from __future__ import annotations

from rehearsal.providers.aws.ec2 import arn
from rehearsal.providers.calls import Calls
from rehearsal.providers.kind import Kind, Values
from rehearsal.providers.tags import written

OTHER_NAMES = {"iamRoleArn": "deliverLogsPermissionArn"}


def _sent(inputs: Values) -> Values:
    """EC2 takes any resource; the provider's input tells of which type it is."""
    rest = {OTHER_NAMES.get(name, name): value for name, value in inputs.items() if name != "vpcId"}
    return {**rest, "resourceIds": [inputs["vpcId"]], "resourceType": "VPC"}


def _make(calls: Calls, kind: Kind, inputs: Values) -> str:
    untagged = {name: value for name, value in inputs.items() if name != "tags"}
    params = calls.convert("ec2", kind.create, untagged)
    pairs = written(inputs.get("tags") or {}, "Key")
    params["TagSpecifications"] = [{"ResourceType": "vpc-flow-log", "Tags": pairs}]
    answer = calls("ec2", kind.create, params)
    if answer["Unsuccessful"]:
        raise ValueError(answer["Unsuccessful"][0]["Error"]["Message"])
    return str(answer["FlowLogIds"][0])


FLOW_LOG = Kind(
    token="aws:ec2/flowLog:FlowLog",
    service="ec2",
    identity="FlowLogId",
    create="create_flow_logs",
    on_create=_make,
    read="describe_flow_logs",
    found="FlowLogs[0]",
    delete="delete_flow_logs",
    replaces=frozenset(
        {"vpcId", "iamRoleArn", "logDestination", "logDestinationType", "logFormat"}
        | {"maxAggregationInterval", "trafficType"}
    ),
    prepare=_sent,
    outputs={"arn": arn("vpc-flow-log")},
    tag_type="vpc-flow-log",
)

KINDS = (FLOW_LOG,)
