"""Invariants of the service scheduler under random histories."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_cloud.aws.ecs import launch_rate, state
from local_cloud.aws.ecs.service import step
from local_cloud.aws.ecs.state import Alarms, Breaker, Deployment, Revision, Service, Settings, Task

GROUP = "tg"
TICK = 5.0
FATES = ("good", "sick", "crash", "no start", "flaps")


@dataclass
class World:
    """Answers every action as processes and health checks would, and records the results."""

    service: Service
    fates: Any
    now: float = 0.0
    pending: list[Any] = field(default_factory=list)
    fate_of: dict[str, str] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    attached: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)

    def tick(self, *extra):
        events, self.pending = [*self.pending, *extra], []
        for action in step(self.service, self.now, events):
            self.answer(action)
        self.messages += [event.message for event in self.service.events[len(self.messages) :]]
        self.now += TICK

    def answer(self, action):
        task = action.task
        match action:
            case state.Attach():
                self.attached.add(task)
                known = self.service.task(task)
                assert known is not None
                self.fate_of[task] = self.fates(known.revision.task_definition)
            case state.Launch():
                if self.fate_of[task] == "no start":
                    self.pending.append(state.FailedToStart(task, "CannotPullContainerError"))
                else:
                    self.running.add(task)
                    self.pending.append(state.Launched(task))
            case state.Register():
                self.register(task)
            case state.Deregister():
                self.pending.append(state.Drained(task))
            case state.Kill():
                self.running.discard(task)
                self.pending.append(state.Ended(task))
            case state.Detach():
                self.attached.discard(task)

    def register(self, task: str):
        match self.fate_of[task]:
            case "crash":
                self.running.discard(task)
                self.pending.append(state.Exited(task))
            case "sick":
                self.pending.append(unhealthy(task))
            case fate:
                self.pending.append(state.TargetChanged(task, GROUP, "healthy"))
                if fate == "flaps":
                    self.fate_of[task] = "sick later"

    def update(self, shape: Settings, definition: str):
        self.tick(state.Updated(shape, revision(definition)))

    def settle(self, seconds: float):
        end = self.now + seconds
        while self.now < end:
            self.tick()


def unhealthy(task: str) -> state.TargetChanged:
    return state.TargetChanged(task, GROUP, "unhealthy", "Request timed out")


def new_world(fates) -> World:
    numbers = itertools.count(1)
    ids = {"name": "s", "new_id": lambda: f"{next(numbers):032x}"}
    return World(Service(**ids, settings=Settings(desired=0)), fates)


def alive(service: Service) -> list[Task]:
    return [task for task in service.tasks if task.alive]


def healthy(task: Task) -> bool:
    return task.alive and task.targets.get(GROUP, ("",))[0] == "healthy"


def shaped(desired, percents=(100, 200), grace=0.0, rollback=True, **more) -> Settings:
    """Return the settings of a service with a circuit breaker."""
    breaker = Breaker(enable=True, rollback=rollback)
    span = {"minimum_percent": percents[0], "maximum_percent": percents[1]}
    return Settings(desired=desired, **span, grace=grace, breaker=breaker, **more)


shapes = st.builds(
    shaped,
    st.integers(1, 5),
    st.sampled_from([(100, 200), (50, 200), (0, 100), (50, 150), (0, 200), (100, 150)]),
    st.sampled_from([0.0, 60.0]),
    st.booleans(),
).filter(lambda shape: shape.lower < shape.upper)
events = st.lists(
    st.tuples(
        st.sampled_from(["wait", "exit", "sicken", "stop", "update", "force", "rollback"]),
        st.integers(0, 9),
    ),
    max_size=25,
)


def revision(definition: str) -> Revision:
    balanced = {"targetGroupArn": GROUP, "containerName": "app", "containerPort": 3000}
    return Revision(task_definition=definition, load_balancers=(balanced,))


def settled(shape: Settings, fates: Any = lambda _: "good", seconds: float = 300) -> World:
    """Return a world in which app:1 was deployed some seconds ago."""
    world = new_world(fates)
    world.update(shape, "app:1")
    world.settle(seconds)
    return world


@pytest.mark.slow
@settings(max_examples=60)
@given(shapes, events, st.lists(st.sampled_from(FATES), min_size=1, max_size=12))
def test_no_history_breaks_the_rules(shape, history, fates):
    cycle = itertools.cycle(fates)
    world = new_world(lambda _: next(cycle))
    world.update(shape, "app:1")
    for kind, number in history:
        happened: list[Any] = []
        running = [task for task in alive(world.service) if task.status == "RUNNING"]
        if kind == "exit" and running:
            happened = [state.Exited(running[number % len(running)].id)]
        elif kind == "sicken" and running:
            task = running[number % len(running)].id
            happened = [unhealthy(task)]
        elif kind == "stop" and running:
            happened = [state.StopAsked(running[number % len(running)].id, "by hand")]
        elif kind == "rollback":
            happened = [state.RollbackAsked(world.service.primary.id)]
        elif kind in ("update", "force"):
            happened = [state.Updated(shape, revision(f"app:{number}"))]
        for moment in range(1 + number):
            seen = len(world.service.events)
            world.tick(*(happened if moment == 0 else ()))
            assert len(world.service.events) >= seen, "an event was lost"
            assert len(alive(world.service)) <= shape.upper
            held = {task.id for task in world.service.tasks if task.status != "STOPPED"}
            assert world.attached == held
            lost = world.running - {task.id for task in world.service.tasks}
            assert not lost, "a process runs that no task knows"
    world.settle(3000)
    # From here on everything succeeds: an ended deployment is completed or failed, never in
    # progress.
    world.fates = lambda _: "good"
    for task, fate in list(world.fate_of.items()):
        world.fate_of[task] = "good" if fate.startswith("sick") else fate
    world.settle(4000)
    assert world.service.primary.rollout in ("COMPLETED", "FAILED")
    if world.service.primary.rollout == "COMPLETED":
        assert len(alive(world.service)) == shape.desired
        assert len(world.service.deployments) == 1


@given(shapes, st.integers(1, 3))
def test_deployment_that_is_good_never_goes_below_the_minimum(shape, rolls):
    world = settled(shape, seconds=200)
    for number in range(rolls):
        world.update(shape, f"app:{number + 2}")
        for _ in range(80):
            world.tick()
            assert sum(healthy(task) for task in world.service.tasks) >= shape.lower
    assert world.service.primary.rollout == "COMPLETED"
    assert world.service.primary.revision.task_definition == f"app:{rolls + 1}"


@pytest.mark.slow
@settings(max_examples=25)
@given(shapes, st.sampled_from(["sick", "crash", "no start"]))
def test_deployment_that_is_bad_fails_and_rolls_back_if_declared(shape, fate):
    world = settled(shape)
    first = world.service.primary.id
    world.fates = lambda definition: fate if definition == "app:2" else "good"
    world.update(shape, "app:2")
    [bad] = [each for each in world.service.history if each.revision.task_definition == "app:2"]
    for _ in range(20000):
        if bad.rollout == "FAILED":
            break
        world.tick()
    assert bad.reason == "ECS deployment circuit breaker: tasks failed to start."
    world.settle(500)
    if shape.breaker.rollback:
        assert world.service.primary.id == first
        assert (world.service.primary.rollout, bad.rollback) == ("COMPLETED", "SUCCESSFUL")
        assert {task.revision.task_definition for task in alive(world.service)} == {"app:1"}
    else:
        assert (world.service.primary.id, bad.rollback) == (bad.id, None)


def test_rollback_that_has_not_ended_is_no_candidate_for_the_next():
    shape = shaped(1, percents=(0, 100))
    world = settled(shape, lambda definition: "good" if definition == "app:1" else "crash")
    first = world.service.primary
    world.update(shape, "app:2")
    for _ in range(2000):
        if world.service.primary is first:
            break
        world.tick()
    assert (world.service.primary, first.rollout) == (first, "IN_PROGRESS")
    world.update(shape, "app:3")
    world.settle(2500)
    last = world.service.primary
    assert (last.revision.task_definition, last.rollout) == ("app:3", "FAILED")
    assert last.rollback == "NO_CANDIDATE"


BAKING = shaped(2, alarms=Alarms(names=frozenset({"a", "b"}), rollback=True, bake=300.0))
QUIET, LOUD = state.AlarmsRead(frozenset()), state.AlarmsRead(frozenset({"b", "other"}))


def updated(*first) -> tuple[World, Deployment]:
    """Deploy app:2 over a completed app:1, with an alarm read at once; return the world and the deployment."""
    world = settled(BAKING)
    assert world.service.primary.rollout == "COMPLETED"
    world.update(BAKING, "app:2")
    world.tick(*first)
    return world, world.service.primary


def test_deployment_is_completed_only_after_the_bake_time():
    world, second = updated(QUIET)
    moments = {}
    for _ in range(120):
        tasks = [t for t in world.service.tasks if t.alive or t.status == "DEACTIVATING"]
        whole = {task.revision.task_definition for task in tasks if healthy(task)} == {"app:2"}
        moments.setdefault((second.rollout, whole and len(tasks) == 2), world.now)
        world.tick(QUIET)
    baked = moments["COMPLETED", True] - moments["IN_PROGRESS", True]
    assert 300.0 <= baked <= 300.0 + TICK


@given(st.integers(0, 90))
def test_alarm_at_any_time_of_the_deployment_rolls_it_back(ticks):
    world, second = updated(QUIET)
    for _ in range(ticks):
        world.tick(QUIET)
    done = second.rollout == "COMPLETED"
    for _ in range(60):
        world.tick(LOUD)
    first = world.service.history[1]
    world.settle(300)
    if done:
        assert (second.rollout, second.triggered) == ("COMPLETED", frozenset())
    else:
        assert (second.rollout, second.rollback) == ("FAILED", "SUCCESSFUL")
        assert second.triggered == {"b"}
        assert (world.service.primary, first.rollout) == (first, "COMPLETED")


def test_alarm_counts_for_no_first_deployment_and_none_that_begins_in_it():
    world, second = updated(LOUD)
    first = settled(BAKING, seconds=0)
    for _ in range(60):
        world.tick(LOUD)
        first.tick(LOUD)
    assert (second.rollout, second.watched) == ("COMPLETED", False)
    assert first.service.primary.rollout == "COMPLETED"


def test_percentages_without_room_are_reported_once():
    shape = shaped(1, percents=(100, 100))
    world = settled(shape)
    world.update(shape, "app:2")
    world.settle(600)
    stuck = "was unable to stop or start tasks during a deployment because of the service"
    assert sum(stuck in message for message in world.messages) == 1
    assert [task.revision.task_definition for task in alive(world.service)] == ["app:1"]
    assert world.service.primary.rollout == "IN_PROGRESS"


def test_tasks_that_never_start_are_tried_again_ever_more_slowly():
    world = settled(Settings(desired=1), lambda _: "no start", 2500)
    made = [task.created_at for task in world.service.tasks]
    gaps = [later - earlier for earlier, later in itertools.pairwise(made)]
    assert gaps[:2] == [30.0, 30.0]
    assert gaps[2:7] == [90.0, 150.0, 270.0, 510.0, 930.0]


def test_unhealthy_task_of_a_finished_deployment_is_replaced_first():
    world = settled(Settings(desired=1))
    (task,) = alive(world.service)
    world.tick(unhealthy(task.id))
    both = len(alive(world.service))
    world.settle(300)
    assert both == 2
    replaced = " Amazon ECS replaced 1 tasks due to an unhealthy status."
    assert sum(message.endswith(replaced) for message in world.messages) == 1
    old = world.service.task(task.id)
    assert old is not None
    assert old.stopped_reason == f"Task failed ELB health checks in (target-group {GROUP})"
    assert len(alive(world.service)) == 1


def without_checks(*updates: str) -> World:
    """A service without any health check, after updates to these revisions; it has breaker and rollback."""
    world = new_world(lambda _: "good")
    for update in updates:
        world.tick(state.Updated(shaped(1), Revision(task_definition=update)))
        world.settle(100)
    return world


def test_deployment_without_checks_is_completed_as_soon_as_its_task_runs():
    """The old task is stopped once the new one has run for forty seconds."""
    world = without_checks("app:1")
    assert world.service.primary.finished_at == world.service.tasks[0].started_at
    world = without_checks("app:1", "app:2")
    old, new = world.service.tasks
    assert old.stopping_at == new.started_at + 40
    assert world.service.primary.rollout == "COMPLETED"


def test_task_without_checks_that_exits_is_replaced_without_end():
    world = without_checks("app:1")
    for _ in range(6):
        (task,) = alive(world.service)
        world.tick(state.Exited(task.id))
        world.settle(60)  # The next one has run for half a minute.
    assert (world.service.primary.rollout, world.service.primary.failed_tasks) == ("COMPLETED", 0)
    assert len(alive(world.service)) == 1
    assert not any("unable to consistently start" in message for message in world.messages)


def test_the_threshold_is_half_of_desired_but_at_least_3_and_at_most_200():
    assert [Breaker().threshold(n) for n in (1, 6, 7, 20, 1000)] == [3, 3, 4, 10, 200]


def test_deleted_service_drains_and_ends_inactive():
    world = settled(Settings(desired=2))
    world.tick(state.Deleted())
    assert world.service.status == "DRAINING"
    world.settle(200)
    assert (world.service.status, world.attached, world.running) == ("INACTIVE", set(), set())


def test_a_bucket_gives_what_it_holds_and_refills_by_its_rate():
    bucket = launch_rate.of_service()
    taken = [bucket.take(now, 1000) for now in (0, 0, 0.06, 0.12, 60.12, 600)]
    assert taken == [100, 0, 0, 1, 100, 100]
    calls = launch_rate.of_run_task()
    assert [calls.take(now, 30) for now in (0, 0, 0.05)] == [20, 0, 1]
    small = launch_rate.Bucket(1, 5)
    assert sum(small.take(now / 10, 9) for now in range(101)) == 1 + 5 * 10


def test_ecs_launches_a_hundred_tasks_at_once_and_five_hundred_a_minute():
    world, launched = new_world(lambda _: "good"), []
    world.update(Settings(desired=700), "app:1")
    for _ in range(16):
        launched.append(len(world.service.tasks))
        world.tick()
    assert [launched[tick] for tick in (0, 1, 12, 14, 15)] == [100, 141, 600, 683, 700]
    assert " has started 100 tasks: " in world.messages[0]
