"""Read the bucket for the app's files."""

from ecs_gate.parts import task_inputs
from ecs_gate.parts.gather import Reading
from ecs_gate.parts.of_service import PartOf
from ecs_gate.parts.task_inputs import Bucket
from ecs_gate.text import t
from stack.app_resources import UPLOADS_ENABLED


def _bucket(now: Reading) -> Bucket | None:
    name = now.definition.environment.get(UPLOADS_ENABLED.variable) if now.definition else None
    return task_inputs.bucket(now.session, name) if name else None


UPLOADS = PartOf(t("the bucket for the app's files"), _bucket, essential=False)
