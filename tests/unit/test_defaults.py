"""The comparison of defaults: its numbers are those of their sources, and the page in the docs shows them."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import botocore.session
import pulumi_aws as aws
import pytest

from benchmarks.defaults.compare import RESULTS, settings
from benchmarks.defaults.profiles import Profile, profiles

ROOT = Path(__file__).parents[2]
HEALTH = ("interval", "timeout", "healthy", "unhealthy")


def numbers(profile: Profile, *names: str) -> list[int]:
    return [getattr(profile, name).value for name in names]


def documented(service: str, shape: str, member: str) -> str:
    model = botocore.session.get_session().get_service_model(service)
    return re.sub(r"<[^>]+>", "", model.shape_for(shape).members[member].documentation)


def default_for_http(member: str) -> int:
    text = documented("elbv2", "CreateTargetGroupInput", member)
    found = re.search(r"\bHTTP\b(?: or HTTPS)?, the default is (\d+)", text)
    assert found, text
    return int(found[1])


def docstring_default(owner: type, argument: str) -> int:
    text = inspect.getdoc(owner.__init__) or ""
    (line,) = re.findall(rf"^:param \S+ {argument}: (.*)$", text, re.MULTILINE)
    found = re.search(r"(?:Defaults to|default value is|HTTP, the default is) (\d+)", line)
    assert found, line
    return int(found[1])


def test_the_page_has_the_table_of_what_each_profile_sets_as_it_is_now():
    assert settings(profiles()) in (ROOT / "docs" / "defaults.md").read_text()


def test_the_page_has_a_result_in_every_cell_for_every_profile():
    text = (ROOT / "docs" / "defaults.md").read_text()
    _, table = text.split(f"| profile | {' | '.join(RESULTS)} |\n")
    rows = [line.strip("| ").split(" | ") for line in table.split("\n\n")[0].splitlines()[1:]]
    assert [row[0] for row in rows] == [f"`{name}`" for name in profiles()]
    time = r"(\d+ min )?\d+ s"
    said = rf"(green|red) (at once|after {time})|nothing yet after 60 min"
    forms = [time, time, *[rf"{time}|never \(\d+ tasks in 60 min\)", said] * 2]
    wrong = [
        cell
        for row in rows
        for cell, form in zip(row[1:], forms, strict=True)
        if not re.fullmatch(form, cell)
    ]
    assert wrong == []


def test_ecs_declares_a_failure_in_the_page_exactly_where_the_circuit_breaker_is_on():
    text = (ROOT / "docs" / "defaults.md").read_text()
    for name, profile in profiles().items():
        (row,) = re.findall(rf"^\| `{name}` \| \d.*$", text, re.MULTILINE)
        assert row.count("never (") == (0 if profile.breaker.value else 2), row


@pytest.mark.parametrize("name", ["provider", "provider-waits"])
def test_the_providers_numbers_are_those_of_its_docstrings(name):
    check = aws.lb.TargetGroupHealthCheckArgs
    arguments = ("interval", "timeout", "healthy_threshold", "unhealthy_threshold")
    assert numbers(profiles()[name], *HEALTH) == [docstring_default(check, a) for a in arguments]
    delay = docstring_default(aws.lb.TargetGroupArgs, "deregistration_delay")
    assert profiles()[name].deregistration.value == delay


@pytest.mark.parametrize("name", ["awsx", "cdk", "copilot"])
def test_a_health_check_that_nobody_declares_has_the_numbers_of_the_elb_api(name):
    members = (
        "HealthCheckIntervalSeconds",
        "HealthCheckTimeoutSeconds",
        "HealthyThresholdCount",
        "UnhealthyThresholdCount",
    )
    assert numbers(profiles()[name], *HEALTH) == [default_for_http(each) for each in members]


def test_a_grace_period_and_percents_that_nobody_declares_are_those_of_the_ecs_api():
    grace = documented("ecs", "CreateServiceRequest", "healthCheckGracePeriodSeconds")
    most = documented("ecs", "DeploymentConfiguration", "maximumPercent")
    least = documented("ecs", "DeploymentConfiguration", "minimumHealthyPercent")
    for name in ("provider", "provider-waits", "awsx"):
        profile = profiles()[name]
        assert f"the default value of {profile.grace.value} is used" in grace
        assert f"using the REPLICA service scheduler is {profile.maximum.value}%" in most
        assert re.search(rf"default value[^.]*\b{profile.minimum.value}\b", least), least
