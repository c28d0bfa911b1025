"""A service under the scheduler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rehearsal.control import hooks
from rehearsal.data.ecs_publish import At, TaskRecord, publish_service, publish_task
from rehearsal.data.ecs_state import Service
from rehearsal.data.task_place import Place


@dataclass(eq=False)
class Managed:
    """A service: its state, moto's record of it, and the places of its tasks."""

    core: Service
    record: Any
    places: dict[str, Place] = field(default_factory=dict)
    shown: dict[str, TaskRecord] = field(default_factory=dict)

    def ports(self, task_id: str) -> dict[str, int]:
        """The port that a task registers in each target group; none when it is forgotten."""
        task = self.core.task(task_id)
        return task.revision.ports if task else {}

    def publish(self, at: At) -> None:
        """Write everything into moto's records. Call it with the lock held."""
        publish_service(self.core, self.record, at)
        for task in self.core.tasks:
            shown, place = self.shown.get(task.id), self.places.get(task.id)
            if shown is not None and place is not None:
                publish_task(task, place, shown, at)
        alive = {task.id for task in self.core.tasks}
        for task_id in set(self.shown) - alive:
            shown = self.shown.pop(task_id)
            hooks.backend("ecs").tasks[self.record.cluster_name].pop(shown.task_arn, None)
