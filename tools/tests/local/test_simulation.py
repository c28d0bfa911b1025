"""Simulated roll-outs whose times and peaks are what the arithmetic says."""

from types import SimpleNamespace

import pytest

from local_cloud.aws.hooks import Refused
from stack.shifting import DeploymentSettings
from tests.benchmarks import scale

ROLLING = scale.in_api(DeploymentSettings())
CANARY = scale.in_api(DeploymentSettings(strategy="canary"))
STARTED = 66
"""Seconds until a new task is healthy: 26 to its registration, and the fourth check, every 10 s, is after 60."""
STOPPED = 16
"""Seconds until a task whose target is deregistered has ended: the delay of 15, and a step."""


@pytest.fixture(autouse=True)
def without_managed_policies(monkeypatch):
    """Leave out IAM's managed policies: they take seconds to load, and no simulated task has one."""
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")


def test_run_task_is_called_twenty_times_a_second():
    cluster = dict.fromkeys(("cluster_name", "cluster_arn"), "arn:aws:ecs:r:1:cluster/main")
    others = {"launch_type": "FARGATE", "capacity_provider_strategy": None, "group": None}
    record = SimpleNamespace(**cluster, **others, network_configuration={})
    definition = SimpleNamespace(arn="app:1", family="app", cpu="256", memory="512")
    with scale.account():
        simulation = scale.Simulation(1, ROLLING)
        for _ in range(20):
            simulation.scheduler.run(record, definition, 1, "me")
        with pytest.raises(Refused, match="Rate exceeded"):
            simulation.scheduler.run(record, definition, 1, "me")
        simulation.clock.seconds += 0.05
        assert len(simulation.scheduler.run(record, definition, 1, "me")) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "waits"), [(ROLLING, 0), (CANARY, 600)])
def test_a_roll_out_runs_old_and_new_tasks_side_by_side(strategy, waits):
    both = 2 * 3
    assert scale.simulate(3, strategy) == scale.Result(
        STARTED + STOPPED + waits, scale.Peak(both, both, both)
    )


@pytest.mark.slow
def test_a_roll_out_takes_as_much_longer_as_the_launches_of_its_tasks_do():
    launches = (250 - 100) * 60 / 500
    assert scale.simulate(250, ROLLING) == scale.Result(
        STARTED + STOPPED + launches, scale.Peak(500, 500, 500)
    )


def test_a_row_names_the_limits_that_its_peak_passes():
    below = scale.Row(8, "rolling", scale.Result(82, scale.Peak(16, 16, 16)))
    above = scale.Row(1000, "canary", scale.Result(790, scale.Peak(2000, 2000, 2000)))
    assert (below.vcpus, below.connections, below.walls) == (4, 98, ())
    assert above.walls == (
        "6 vCPUs",
        f"{scale.POC.allowed} connections",
        "100 launches at once",
        "1000 targets",
    )
    assert scale.line(below) == "| 8 | rolling | 1 min 22 s | 4 | 98 | 16 | - |"
