"""How fast ECS launches tasks."""

import itertools

from local_cloud.aws.ecs import launch_rate
from local_cloud.aws.ecs import state as ecs_state
from local_cloud.aws.ecs.service import step
from local_cloud.aws.ecs.state import Revision, Service, Settings


def test_a_bucket_gives_what_it_holds_and_refills_by_its_rate():
    bucket = launch_rate.of_service()
    taken = [bucket.take(now, 1000) for now in (0, 0, 0.06, 0.12, 60.12, 600)]
    assert taken == [100, 0, 0, 1, 100, 100]
    small = launch_rate.Bucket(1, 5)
    assert sum(small.take(now / 10, 9) for now in range(101)) == 1 + 5 * 10


def test_ecs_launches_a_hundred_tasks_at_once_and_five_hundred_a_minute():
    ids = map(str, itertools.count(1))
    service = Service(name="web", settings=Settings(desired=700), new_id=lambda: next(ids))
    event = ecs_state.Updated(service.settings, Revision(task_definition="app:1"))
    launched = []
    for second in range(73):
        step(service, float(second), [event] if second == 0 else [])
        launched.append(len(service.tasks))
    assert [launched[second] for second in (0, 1, 12, 60, 71, 72)] == [100, 108, 200, 600, 691, 700]
    assert " has started 100 tasks: " in service.events[0].message
