"""How many connections the database has: near its limit, and more than the tasks' pools allow."""

import pytest

from stack.database import max_connections
from stack.sizes import NEAR, OWN_CONNECTIONS, RESERVED_CONNECTIONS
from tools.doctor.checks import databases
from tools.doctor.diagnose import judge
from tools.snapshot.cloudwatch import Measured
from tools.tests import stacks as a
from tools.tests.doctor.situations import findings, kinds
from tools.tests.doctor.test_running import FULL
from tools.tests.doctor.test_wrong_program import settings

POOLS = 6
"""Connections of a task of the app in webapp/ by its default settings."""


def of(count, *declared, **changes):
    """The findings of a database with so many connections."""
    return [name for name, _ in kinds(stack(count, *declared, **changes))]


def stack(count, *declared, **changes):
    return a.stack(*declared, measured=Measured(connections=count), **changes)


def tasks(count, *others):
    return (*(a.task(f"{each:032}") for each in range(count)), *others)


@pytest.mark.parametrize("count", [1, 3])
def test_more_connections_than_the_pools_allow_are_a_warning(count):
    most = count * POOLS + OWN_CONNECTIONS
    assert of(most, tasks=tasks(count)) == []
    assert kinds(stack(most + 1, tasks=tasks(count))) == [("connection-leak", "warning")]
    assert judge(stack(most + 1, tasks=tasks(count))).healthy


def test_connections_of_a_task_that_has_just_stopped_are_no_leak():
    both = POOLS * 2 + OWN_CONNECTIONS
    for seconds, leaks in ((-290, False), (-310, True)):
        other = a.ended("Scaling activity", stopped=a.at(seconds))
        assert ("connection-leak" in of(both, tasks=tasks(1, other))) is leaks


def test_the_largest_pool_counts_while_a_roll_out_changes_it():
    wide = a.definition(environment={**a.definition().environment, "DB_POOL_SIZE": "9"})
    assert of(11 + OWN_CONNECTIONS, main=wide) == []
    assert of(12 + OWN_CONNECTIONS, main=wide) == ["connection-leak"]


def test_connections_of_workers_and_jobs_count():
    worker = a.choices(workers='{"mail": {"command": "sleep 9"}}')
    most = POOLS + worker.sizes.other_connections
    assert worker.sizes.other_connections > OWN_CONNECTIONS
    assert "connection-leak" not in of(most, worker)
    assert "connection-leak" in of(most + 1, worker)


def test_connections_near_the_limit_are_a_warning_for_every_app():
    usable = max_connections("db.t4g.micro") - RESERVED_CONNECTIONS
    least = -(-usable * NEAR // 100)
    assert of(least - 1, settings()) == []
    assert kinds(stack(least, settings())) == [("connections-near", "warning")]
    assert of(least, tasks=tasks(20)) == ["connections-near"]
    assert of(least, settings(), database=a.database(kind="db.z9.odd")) == []


def test_connections_that_cloudwatch_does_not_have_say_nothing():
    assert of(None) == []


def test_the_finding_has_numbers_addresses_and_the_question():
    [found] = findings(stack(40))
    assert (
        str(found.title) == "The database has 40 connections, and the tasks' pools have at most 8"
    )
    assert [str(each) for each in found.seen] == [
        "DatabaseConnections is 40 (CloudWatch).",
        "db.t4g.micro allows some 112.",
        "1 task runs; it opens 6 at most.",
        "Task aaaaaaaa has the address 10.0.16.4.",
    ]
    assert found.fixes[0].commands[-1] == f'./careapp db psql -s poc -c "{databases.WHO}"'


def test_a_full_database_is_not_also_called_nearly_full():
    full = {"logs": a.logs(a=[a.LISTENS, FULL]), "page": a.page(503)}
    assert "connections-near" not in of(110, settings(), **full)
    assert "connections-near" in of(110, settings())
    assert of(110, **full)[0] == "app-too-many-connections"
    assert "connection-leak" in of(110, **full)
