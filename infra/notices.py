"""Whom the stack tells that something is wrong: an encrypted SNS topic and its subscriber."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from stack.statements import Policy, policy, without_tls

DAYS_TO_REGRET = 7
"""The least that KMS waits before it deletes a key, which costs nothing meanwhile."""
ADMINISTRATION = (
    *("CancelKeyDeletion", "DescribeKey", "DisableKey", "DisableKeyRotation", "EnableKey"),
    *("EnableKeyRotation", "GetKeyPolicy", "GetKeyRotationStatus", "ListKeyPolicies"),
    *("ListResourceTags", "PutKeyPolicy", "ScheduleKeyDeletion", "TagResource", "UntagResource"),
    *("UpdateKeyDescription",),
)
SPEAKERS = ("cloudwatch.amazonaws.com", "events.amazonaws.com")
"""The services that tell the topic: alarms, and the rule for failed roll-outs."""


@dataclass(frozen=True, kw_only=True)
class NoticesArgs:
    """What the topic needs to be told. An empty `email` subscribes nobody.

    `deployer` is the name of the role that deploys the stack by push, empty where there is none.
    """

    region: str
    email: str
    deployer: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


class Notices(pulumi.ComponentResource):
    """An SNS topic that only this stack's alarms and its roll-out rule may publish to.

    Encrypted with a key of its own: the policy of AWS's key for SNS lets neither CloudWatch nor
    EventBridge use it, and their notices would get lost in silence (SNS Developer Guide, "Enable
    compatibility between event sources from AWS services and encrypted topics").
    """

    topic_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: NoticesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Notices", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        account = aws.get_caller_identity_output().account_id
        topic = aws.sns.Topic(
            f"{name}-alarms",
            name=f"{name}-alarms",
            kms_master_key_id=self._key(name, account).key_id,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        aws.sns.TopicPolicy(
            f"{name}-alarms",
            arn=topic.arn,
            policy=pulumi.Output.all(topic.arn, account).apply(
                lambda known: json.dumps(topic_policy(known[0], known[1], args.region, name))
            ),
            opts=self.child,
        )
        self.topic_arn = topic.arn
        if args.email:
            self._subscribe(name)
        self.register_outputs({"topic_arn": self.topic_arn})

    def _subscribe(self, name: str) -> None:
        aws.sns.TopicSubscription(
            f"{name}-alarms",
            topic=self.topic_arn,
            protocol="email",
            endpoint=self.args.email,
            opts=self.child,
        )

    def _key(self, name: str, account: pulumi.Output[str]) -> aws.kms.Key:
        return aws.kms.Key(
            f"{name}-alarms",
            description=f"What the alarms of {name} say",
            policy=account.apply(lambda known: json.dumps(key_policy(known, self.args.deployer))),
            enable_key_rotation=True,
            deletion_window_in_days=DAYS_TO_REGRET,
            tags=dict(self.args.tags),
            opts=self.child,
        )


def key_policy(account: str, deployer: str) -> Policy:
    """Who may use the key: the two services to encrypt; the account and `deployer` to look after it.

    `deployer` is named here because no policy of its own can tell this key from others: a role that
    may tag new keys may tag every key (delivery/template.yaml).
    In a key's policy the resource "*" is that key. No condition for EventBridge: it sends none of
    the context keys that one could ask for.
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
    use: Policy = {
        "Effect": "Allow",
        "Principal": {"Service": list(SPEAKERS)},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
    }
    return policy(administration, use)


def topic_policy(topic: str, account: str, region: str, name: str) -> Policy:
    """Who may publish: alarms whose names begin with `name`, and EventBridge; nobody without TLS.

    EventBridge allows no condition here (its User Guide, "Amazon SNS permissions").
    """
    alarms: Policy = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {
            "StringEquals": {"aws:SourceAccount": account},
            "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}-*"},
        },
    }
    events: Policy = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
    }
    return policy(alarms, events, without_tls(topic, "sns:Publish"))
