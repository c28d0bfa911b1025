"""A rule of SNS that moto lacks: what a topic's policy must be."""

import json

from local_cloud.aws.hooks import Params, Refused, before


@before("sns", "SetTopicAttributes")
def policy_is_one(params: Params) -> None:
    """Refuse a policy without a statement. AWS does not document the message."""
    if params["AttributeName"] != "Policy" or not params.get("AttributeValue"):
        return
    try:
        policy = json.loads(params["AttributeValue"])
    except ValueError:
        policy = None
    if not isinstance(policy, dict) or not policy.get("Statement"):
        raise Refused("InvalidParameter", "Invalid parameter: Policy Error: null")
