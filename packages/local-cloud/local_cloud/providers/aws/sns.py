"""Topics, their policies and their subscriptions."""

import json

from local_cloud.aws.hooks import ACCOUNT
from local_cloud.providers.kind import Subject, Values, on_change, regular

ATTRIBUTES = {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId"}


def _topic(inputs: Values) -> Values:
    attributes = {key: str(inputs[name]) for name, key in ATTRIBUTES.items() if inputs.get(name)}
    return {**inputs, "attributes": attributes}


def _describe(subject: Subject) -> None:
    for name, key in ATTRIBUTES.items():
        value = str(subject.inputs.get(name) or "")
        subject.call("set_topic_attributes", AttributeName=key, AttributeValue=value)


TOPIC = regular(
    "aws:sns/topic:Topic",
    "TopicArn",
    read="get_topic_attributes",
    replaces="fifoTopic",
    prepare=_topic,
    settings=(on_change(_describe, *ATTRIBUTES, "attributes"),),
    reads={"name": lambda made, _: made.identity.rpartition(":")[2]},
    autoname="name",
    outputs={"arn": "TopicArn", "owner": "Owner"},
)


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
    subject.call("set_topic_attributes", AttributeName="Policy", AttributeValue=json.dumps(policy))


POLICY = regular(
    "aws:sns/topicPolicy:TopicPolicy",
    "TopicArn",
    create="set_topic_attributes",
    read="get_topic_attributes",
    update="set_topic_attributes",
    repeated=frozenset({"attributeName"}),
    on_delete=_only_the_owner,
    replaces="arn",
    names={"arn": "topicArn", "policy": "attributeValue"},
    prepare=lambda inputs: {**inputs, "attributeName": "Policy"},
    reads={"policy": "Policy"},
    outputs={"owner": "Owner"},
)


SUBSCRIPTION = regular(
    "aws:sns/topicSubscription:TopicSubscription",
    "SubscriptionArn",
    create="subscribe",
    read="get_subscription_attributes",
    delete="unsubscribe",
    replaces="topic protocol endpoint",
    names={"topic": "topicArn"},
    prepare=lambda inputs: {**inputs, "returnSubscriptionArn": True},
    outputs={"arn": "SubscriptionArn", "pendingConfirmation": "PendingConfirmation"},
)

KINDS = (TOPIC, POLICY, SUBSCRIPTION)
