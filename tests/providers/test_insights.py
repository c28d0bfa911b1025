"""Database Insights in the local cloud."""

from __future__ import annotations

from tests.providers.test_backups import DATABASE

NAME = {"DBInstanceIdentifier": "one"}


def described(calls):
    [found] = calls("rds", "describe_db_instances", NAME)["DBInstances"]
    return found.get("PerformanceInsightsEnabled", False)


def test_insights_are_on_when_they_are_asked_for_and_until_they_are_not(calls):
    calls("rds", "create_db_instance", DATABASE)
    seen = [described(calls)]
    for wanted in ({"EnablePerformanceInsights": True}, {}, {"EnablePerformanceInsights": False}):
        calls("rds", "modify_db_instance", NAME | wanted)
        seen.append(described(calls))
    calls("rds", "delete_db_instance", NAME | {"SkipFinalSnapshot": True})
    assert seen == [False, True, True, False]
