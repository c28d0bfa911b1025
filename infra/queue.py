"""The SQS queue for the app's messages."""

from __future__ import annotations

import pulumi_aws as aws

from infra.app_resource import AppResource
from infra.network import Network
from stack.app_resources import QUEUE_ENABLED
from stack.settings import Settings
from stack.statements import Policy, allow, of

MESSAGES = of("sqs", "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility")
"""What the app does with its messages."""
KEPT_SECONDS = 14 * 24 * 3600
"""The longest that SQS keeps a message (SQS Developer Guide, "Amazon SQS message quotas")."""


class Queue(AppResource):
    """A standard queue, encrypted with SSE-SQS, which only the task role's own policy opens."""

    key, output = QUEUE_ENABLED, "queueUrl"

    def __init__(self, name: str, settings: Settings, network: Network) -> None:
        super().__init__(name, settings, network)
        queue = aws.sqs.Queue(
            f"{name}-messages",
            message_retention_seconds=KEPT_SECONDS,
            sqs_managed_sse_enabled=True,
            tags=self.tags,
            opts=self.child,
        )
        self.value, self.arn = queue.url, queue.arn
        self.register_outputs({"url": self.value})

    @staticmethod
    def statements(arn: str) -> list[Policy]:
        """Return the statement to send, receive and delete messages."""
        return [allow(arn, *MESSAGES)]
