"""The SNS topic that alarms and failed deployments are sent to, and its subscriber."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from careapp.settings.names import CONTAINER
from careapp.settings.settings import Settings
from careapp.settings.statements import Policy, let, policy, without_tls

from .component import Component

DELETION_WINDOW_DAYS = 7
"""The shortest waiting period of KMS before it deletes a key. A key costs nothing in it."""
ADMINISTRATION = (
    *("CancelKeyDeletion", "DescribeKey", "DisableKey", "DisableKeyRotation", "EnableKey"),
    *("EnableKeyRotation", "GetKeyPolicy", "GetKeyRotationStatus", "ListKeyPolicies"),
    *("ListResourceTags", "PutKeyPolicy", "ScheduleKeyDeletion", "TagResource", "UntagResource"),
    *("UpdateKeyDescription",),
)
PUBLISHERS = ("cloudwatch.amazonaws.com", "events.amazonaws.com")
"""The services that publish to the topic: alarms, and the rules for failed deployments and jobs."""


class Notices(Component):
    """An SNS topic that only this stack's alarms and its EventBridge rule may publish to.

    It is encrypted with a customer managed key. The policy of the AWS managed key for SNS does not
    allow CloudWatch and EventBridge to use it, and their messages would be lost without an error (SNS
    Developer Guide, "Enable compatibility between event sources from AWS services and encrypted
    topics").
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions) -> None:
        super().__init__(name, settings, opts)
        account = aws.get_caller_identity_output().account_id
        topic = aws.sns.Topic(
            f"{name}-alarms",
            name=f"{name}-alarms",
            kms_master_key_id=self._key(name, account).key_id,
            opts=self.options(delete_before_replace=True),
        )
        aws.sns.TopicPolicy(
            f"{name}-alarms",
            arn=topic.arn,
            policy=pulumi.Output.all(topic.arn, account).apply(
                lambda known: json.dumps(topic_policy(known[0], known[1], settings.region, name))
            ),
            opts=self.child,
        )
        self.topic_arn = topic.arn
        if email := settings.monitoring.email:
            aws.sns.TopicSubscription(
                f"{name}-alarms", topic=topic.arn, protocol="email", endpoint=email, opts=self.child
            )
        self.register_outputs({})

    def _key(self, name: str, account: pulumi.Output[str]) -> aws.kms.Key:
        deployer = self.settings.deployer
        return aws.kms.Key(
            f"{name}-alarms",
            description=f"What the alarms of {name} say",
            policy=account.apply(lambda known: json.dumps(key_policy(known, deployer))),
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            opts=self.child,
        )


def key_policy(account: str, deployer: str) -> Policy:
    """Return the key policy: the two services may encrypt, the account and `deployer` administer.

    `deployer` is the name of the role that GitHub Actions deploys the stack with, or empty. It is a principal here,
    because its own policy cannot be limited to this key: a role that may tag new keys may tag every key
    (careapp/delivery/template.yaml). The resource "*" in a key policy is the key itself. There is no condition for
    EventBridge, which sends no context key for it.
    """
    principals = [f"arn:aws:iam::{account}:root"]
    if deployer:
        principals.append(f"arn:aws:iam::{account}:role/{deployer}")
    administration: Policy = {
        "Effect": "Allow",
        "Principal": {"AWS": principals if deployer else principals[0]},
        "Action": [f"kms:{action}" for action in ADMINISTRATION],
        "Resource": "*",
    }
    use = let(PUBLISHERS, ["kms:Decrypt", "kms:GenerateDataKey*"], "*")
    return policy(administration, use)


def topic_policy(topic: str, account: str, region: str, name: str) -> Policy:
    """Return the topic policy: alarms whose names begin with `name` and EventBridge may publish by TLS.

    EventBridge supports no condition here (its User Guide, "Amazon SNS permissions").
    """
    own = {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}-*"},
    }
    return policy(
        let("cloudwatch.amazonaws.com", "sns:Publish", topic, own),
        let("events.amazonaws.com", "sns:Publish", topic),
        without_tls(topic, "sns:Publish"),
    )


FAILED = "SERVICE_DEPLOYMENT_FAILED"
"""ECS Developer Guide, "Amazon ECS service deployment state change events"."""


def rule_name(prefix: str) -> str:
    """Return the rule's name, which is fixed because the dashboard uses it before the rule exists."""
    return f"{prefix}-rollout-failed"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Which events the topic gets, as what text, and where in an event the values of its placeholders are."""

    name: str
    description: str
    pattern: pulumi.Input[dict[str, object]]
    text: str
    paths: Mapping[str, str]


def failed_deployments(settings: Settings, service_arn: pulumi.Output[str]) -> Notice:
    """Return the notice of failed deployments of the service."""

    def pattern(arn: str) -> dict[str, object]:
        return {
            "source": ["aws.ecs"],
            "detail-type": ["ECS Deployment State Change"],
            "resources": [arn],
            "detail": {"eventName": [FAILED]},
        }

    prefix = settings.names.prefix
    return Notice(
        name=rule_name(prefix),
        description=f"A roll-out of {prefix} failed",
        pattern=service_arn.apply(pattern),
        text=f"A deployment of {prefix} failed at <at>: <reason> ECS rolls back to the last "
        "completed deployment, unless this was the first one. "
        f"./careapp doctor --stack {settings.stack} names the cause.",
        paths={"at": "$.time", "reason": "$.detail.reason"},
    )


def failed_run_pattern(families: str) -> dict[str, object]:
    """Return the pattern of stopped tasks with another exit code than 0, or with none: the command did not start.

    ``families`` is how the names of their task definitions' families begin. A task that RunTask starts is in the group
    `family:NAME` (ECS API reference, RunTask). Filters of one field are alternatives, and a field that an event lacks
    is only matched by "exists" (EventBridge User Guide, "Comparison operators for use in event patterns"). Name and
    code are of one container (aws/event-ruler, README, "JSON Array Matching"): the end of one that AWS adds to the
    task, such as GuardDuty's agent, is no failure.
    """
    return {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "lastStatus": ["STOPPED"],
            "group": [{"prefix": f"family:{families}"}],
            "containers": {
                "name": [CONTAINER],
                "exitCode": [{"anything-but": 0}, {"exists": False}],
            },
        },
    }


def failed_runs(settings: Settings) -> Notice:
    """Return the notice of failed runs of jobs.

    An event without an exit code leaves its place empty (EventBridge User Guide, input transformation).
    """
    families, stack = settings.names.jobs, settings.stack
    return Notice(
        name=f"{families}failed",
        description="A job failed",
        pattern=failed_run_pattern(families),
        text=f"A job failed at <at>: <group>, exit code <code> (none: it did not start). <reason> "
        f"./careapp jobs logs NAME --stack {stack} shows its log: NAME is what follows {families}. "
        f"./careapp doctor --stack {stack} names the cause.",
        paths={
            "at": "$.time",
            "group": "$.detail.group",
            "code": "$.detail.containers[0].exitCode",
            "reason": "$.detail.stoppedReason",
        },
    )


def send(component: Component, notice: Notice, topic_arn: pulumi.Input[str]) -> None:
    """Create the EventBridge rule of a notice, a component's, which sends its events to the topic."""
    rule = aws.cloudwatch.EventRule(
        notice.name,
        name=notice.name,
        description=notice.description,
        event_pattern=pulumi.Output.json_dumps(notice.pattern),
        opts=component.child,
    )
    aws.cloudwatch.EventTarget(
        notice.name,
        rule=rule.name,
        target_id="topic",
        arn=topic_arn,
        # The template is a JSON string.
        input_transformer={"input_paths": notice.paths, "input_template": json.dumps(notice.text)},
        opts=component.child,
    )
