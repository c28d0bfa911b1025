"""Queues."""

from typing import Any

from local_cloud.providers.kind import Subject, Values, on_change, regular

ATTRIBUTES = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "delaySeconds": "DelaySeconds",
    "fifoQueue": "FifoQueue",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redrivePolicy": "RedrivePolicy",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
"""The inputs that are attributes of a queue, and their names at AWS (SQS API reference, SetQueueAttributes)."""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _attributes(inputs: Values) -> Values:
    return {
        name: _text(inputs[key]) for key, name in ATTRIBUTES.items() if inputs.get(key) is not None
    }


def _queue(inputs: Values) -> Values:
    others = {name: value for name, value in inputs.items() if name not in ATTRIBUTES}
    return {**others, "attributes": _attributes(inputs)}


def _look(subject: Subject) -> Values:
    found: Values = subject.call("get_queue_attributes", AttributeNames=["All"])["Attributes"]
    return found


def _change(subject: Subject) -> None:
    changed = {name: subject.inputs.get(name) for name in ATTRIBUTES if name in subject.changed}
    subject.call("set_queue_attributes", Attributes=_attributes(changed))


QUEUE = regular(
    "aws:sqs/queue:Queue",
    "QueueUrl",
    look=_look,
    prepare=_queue,
    names={"name": "queueName"},
    replaces="fifoQueue",
    settings=(on_change(_change, *ATTRIBUTES, "attributes"),),
    reads={
        "name": lambda made, _: made.identity.rpartition("/")[2],
        **{key: name for key, name in ATTRIBUTES.items() if key != "fifoQueue"},
    },
    autoname="name",
    outputs={"arn": "QueueArn", "url": lambda made, _: made.identity},
)

KINDS = (QUEUE,)
