"""The hours stop and start real tasks on the rehearsal's clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.dataplane.stack import until

PLACE = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


def test_tasks_stop_and_start_at_their_hours(running: Any) -> None:
    client = running.client("application-autoscaling")
    service = running.describe()
    cluster = service["clusterArn"].rpartition("/")[2]
    place = {**PLACE, "ResourceId": f"service/{cluster}/{service['serviceName']}"}
    client.register_scalable_target(**place, MinCapacity=1, MaxCapacity=1)
    for name, minutes, count in (("stop", 2, 0), ("start", 6, 1)):
        at = running.clock.now() + timedelta(minutes=minutes)
        client.put_scheduled_action(
            **place,
            ScheduledActionName=name,
            Schedule=f"cron({at.minute} {at.hour} ? * SUN-SAT *)",
            Timezone="UTC",
            ScalableTargetAction={"MinCapacity": count, "MaxCapacity": count},
        )
    assert running.describe()["runningCount"] == 1
    until(lambda: running.describe()["runningCount"] == 0, what="the stop")
    assert running.describe()["desiredCount"] == 0
    until(lambda: running.describe()["runningCount"] == 1, what="the start")
