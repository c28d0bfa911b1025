"""Topics, their policies and their subscriptions."""

from __future__ import annotations

import json

from tools.local_cloud.aws.hooks import ACCOUNT
from tools.local_cloud.calls import Calls
from tools.local_cloud.providers.kind import Kind, Setting, Subject, Values
from tools.local_cloud.providers.lifecycle import tag_list

ATTRIBUTES = {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId"}


def _make(calls: Calls, _: Kind, inputs: Values) -> str:
    attributes = {key: str(inputs[name]) for name, key in ATTRIBUTES.items() if inputs.get(name)}
    params = {
        "Name": inputs["name"],
        "Attributes": attributes,
        "Tags": tag_list(inputs.get("tags") or {}),
    }
    return str(calls("sns", "create_topic", params)["TopicArn"])


def _describe(subject: Subject) -> None:
    for name, key in ATTRIBUTES.items():
        value = str(subject.inputs.get(name) or "")
        subject.call("set_topic_attributes", AttributeName=key, AttributeValue=value)


TOPIC = Kind(
    token="aws:sns/topic:Topic",
    service="sns",
    identity="TopicArn",
    create="create_topic",
    on_create=_make,
    read="get_topic_attributes",
    found="Attributes",
    delete="delete_topic",
    replaces=frozenset({"name", "namePrefix", "fifoTopic"}),
    settings=(Setting(inputs=tuple(ATTRIBUTES), apply=_describe, on_create=False),),
    autoname="name",
    fixed_name="name",
    outputs={"arn": "TopicArn", "owner": "Owner"},
)


def _allow(calls: Calls, topic: str, policy: str) -> None:
    params = {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy}
    calls("sns", "set_topic_attributes", params)


def _make_policy(calls: Calls, _: Kind, inputs: Values) -> str:
    _allow(calls, inputs["arn"], inputs["policy"])
    return str(inputs["arn"])


def _change_policy(subject: Subject) -> None:
    _make_policy(subject.calls, subject.kind, subject.inputs)


def _only_the_owner(subject: Subject) -> None:
    """Set the policy that allows only the account, as the provider does: a topic always has a policy."""
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["SNS:Publish", "SNS:Subscribe", "SNS:GetTopicAttributes"],
        "Resource": subject.identity,
        "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
    }
    policy = {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [owner]}
    _allow(subject.calls, subject.identity, json.dumps(policy))


POLICY = Kind(
    token="aws:sns/topicPolicy:TopicPolicy",
    service="sns",
    identity="TopicArn",
    create="set_topic_attributes",
    on_create=_make_policy,
    read="get_topic_attributes",
    found="Attributes",
    on_delete=_only_the_owner,
    replaces=frozenset({"arn"}),
    ignored={"arn": "sent by _make_policy"},
    settings=(Setting(inputs=("policy",), apply=_change_policy, on_create=False),),
    outputs={"owner": "Owner"},
)


def _subscribe(calls: Calls, _: Kind, inputs: Values) -> str:
    params = {
        "TopicArn": inputs["topic"],
        "Protocol": inputs["protocol"],
        "Endpoint": inputs["endpoint"],
        "ReturnSubscriptionArn": True,
    }
    return str(calls("sns", "subscribe", params)["SubscriptionArn"])


SUBSCRIPTION = Kind(
    token="aws:sns/topicSubscription:TopicSubscription",
    service="sns",
    identity="SubscriptionArn",
    create="subscribe",
    on_create=_subscribe,
    read="get_subscription_attributes",
    found="Attributes",
    delete="unsubscribe",
    replaces=frozenset({"topic", "protocol", "endpoint"}),
    ignored={"topic": "sent by _subscribe"},
    outputs={"arn": "SubscriptionArn", "pendingConfirmation": "PendingConfirmation"},
)

KINDS = (TOPIC, POLICY, SUBSCRIPTION)
