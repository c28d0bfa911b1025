"""Queues of SQS."""

from local_cloud.providers.kind import Subject, Values, regular

ATTRIBUTES = {
    "delaySeconds": "DelaySeconds",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}


def _named_as_in_aws(inputs: Values) -> Values:
    rest = {name: value for name, value in inputs.items() if name not in ("name", *ATTRIBUTES)}
    given = {ATTRIBUTES[name]: value for name, value in inputs.items() if name in ATTRIBUTES}
    return {**rest, "queueName": inputs.get("name"), "attributes": given}


def _describe(subject: Subject) -> Values:
    attributes: Values = subject.call("get_queue_attributes", AttributeNames=["All"])["Attributes"]
    return attributes


QUEUE = regular(
    "aws:sqs/queue:Queue",
    "QueueUrl",
    look=_describe,
    update="set_queue_attributes",
    replaces=frozenset({"name", "namePrefix"}),
    prepare=_named_as_in_aws,
    autoname="name",
    absent=("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
    outputs={"arn": "QueueArn", "url": lambda subject, _: subject.identity},
)

KINDS = (QUEUE,)
