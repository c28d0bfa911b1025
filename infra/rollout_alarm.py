"""Word of a roll-out that ECS has given up, as no metric counts those."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

FAILED = "SERVICE_DEPLOYMENT_FAILED"
"""ECS Developer Guide, "Amazon ECS service deployment state change events"."""


def rule_name(prefix: str) -> str:
    """Fixed, because the dashboard counts by it before the rule is there."""
    return f"{prefix}-rollout-failed"


def pattern(service_arn: str) -> dict[str, object]:
    """The events of this service alone; the account's other services have their own."""
    return {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Deployment State Change"],
        "resources": [service_arn],
        "detail": {"eventName": [FAILED]},
    }


def sentence(prefix: str, stack: str) -> str:
    """What the topic is told: JSON text, as EventBridge wants it, with its own placeholders."""
    return json.dumps(
        f"A roll-out of {prefix} failed at <at>: <reason> ECS goes back to the last "
        "revision that completed; after a first roll-out there is none. "
        f"./careapp doctor --stack {stack} names the cause."
    )


def tell(
    prefix: str,
    stack: str,
    service_arn: pulumi.Output[str],
    topic_arn: pulumi.Input[str],
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Make the rule and lead it to the topic."""
    rule = aws.cloudwatch.EventRule(
        rule_name(prefix),
        name=rule_name(prefix),
        description=f"A roll-out of {prefix} failed",
        event_pattern=service_arn.apply(lambda arn: json.dumps(pattern(arn))),
        tags=dict(tags),
        opts=opts,
    )
    aws.cloudwatch.EventTarget(
        rule_name(prefix),
        rule=rule.name,
        target_id="topic",
        arn=topic_arn,
        input_transformer=aws.cloudwatch.EventTargetInputTransformerArgs(
            input_paths={"at": "$.time", "reason": "$.detail.reason"},
            input_template=sentence(prefix, stack),
        ),
        opts=opts,
    )
