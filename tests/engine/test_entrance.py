"""HTTPS, scaling, the kind of capacity and a login, turned on and off on a running stack by the real engine."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from infra.login import SECRET_COMES_LATER
from local_cloud.aws import hooks
from local_cloud.aws.scaling import schedule
from local_cloud.engine.pulumi import Changes
from tests.support import steps
from tests.support.identity import change_secret, identity_provider, login_of, login_settings
from tests.support.local_stack import LocalStack, local_stack

DOMAIN = {"domainName": "app.example.com", "hostedZoneId": "Z0123456789ABC"}
NO_DOMAIN = {"domainName": "", "hostedZoneId": ""}
OFFICE = (datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(days=3)).replace(hour=10)
HOURS = f"{OFFICE:%a} 08:00-20:00".lower()
"""On another day than today: it is night whenever this runs."""
ARN = "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a"


@dataclass
class Story:
    """What each step did, what it gave out, and which load balancer and target group stood then."""

    stack: LocalStack
    did: dict[str, Changes] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    standing: dict[str, tuple[str, str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    provider: dict[str, Any] = field(default_factory=dict)
    logins: list[dict[str, Any]] = field(default_factory=list)
    state: str = ""

    def step(self, name: str, **config: str) -> None:
        stack = self.stack
        self.did[name] = stack.up(**config)
        self.said[name] = self.did[name].said
        self.pages[name] = stack.outputs()["pageUrl"]
        balancers = stack.calls("elbv2", "describe_load_balancers", {})["LoadBalancers"]
        groups = stack.calls("elbv2", "describe_target_groups", {})["TargetGroups"]
        self.standing[name] = balancers[0]["LoadBalancerArn"], groups[0]["TargetGroupArn"]
        self.counts[name] = self.count()
        self.provider[name] = stack.service().get("capacityProviderStrategy", [])

    def count(self) -> int:
        """What the service wants; -1 without one."""
        return int(self.stack.service().get("desiredCount", -1))

    def refresh(self, name: str) -> None:
        self.did[name] = self.stack.pulumi.update("up", self.stack.name, "--refresh")
        self.counts[name] = self.count()

    def scaler_wants(self, count: int) -> None:
        """What Application Auto Scaling does when load calls for it."""
        asked = {"cluster": "careapp-poc-cluster", "service": "careapp-poc-service"}
        self.stack.calls("ecs", "update_service", {**asked, "desiredCount": count})

    def night(self) -> None:
        """The stop of the hours falls due."""
        with hooks.LOCK:
            schedule.run_due(OFFICE, OFFICE + timedelta(hours=12))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("entrance")
    with identity_provider(folder) as provider, local_stack(folder) as stack:
        story = Story(stack)
        story.step("plain", ecsEnabled="true")
        story.step("own certificate", certificateArn=ARN)
        story.step("domain", certificateArn="", **DOMAIN)
        story.step("plain again", **NO_DOMAIN)
        story.step("scaling", maxCount="4", scaleRequestsPerTarget="500")
        story.scaler_wants(3)
        more = {"minCount": "2", "maxCount": "6", "scaleCpuTarget": "0"}
        story.step("scaled out", taskMemory="1024", cpuArchitecture="ARM64", **more)
        story.step("hours", schedule=HOURS)
        story.night()
        story.step("at night", taskMemory="512", cpuArchitecture="X86_64", imageRevision="2")
        story.step("hours off at night", schedule="")
        story.step("scaling off", maxCount="0")
        story.scaler_wants(3)
        story.step("another count by hand")
        story.refresh("refreshed")
        story.step("spot, no nat", fargateSpot="true", natStrategy="none")
        url = story.pages["own certificate"]
        settings = login_settings(stack.calls, provider, url, "secret-of-may")
        back = {"fargateSpot": "false", "natStrategy": "single", "certificateArn": ARN}
        story.step("login, on demand", **back, **settings)
        held = [login_of(stack.calls)]
        change_secret(stack.calls, provider, settings, "secret-of-june")
        story.step("login again")
        story.logins = [*held, login_of(stack.calls)]
        story.state = stack.state()
        story.step("login off", **dict.fromkeys(settings, ""))
        yield story


def test_each_step_does_what_is_recorded(story):
    """HTTPS, scaling, hours, capacity and a login come and go in place; of them only the rule is replaced.

    A new task definition is a roll-out; the count that a scaler has set is not taken back by it.
    """
    steps.check("entrance", story.did)
    replaced = {step for each in story.did.values() for step in each.steps if "replace " in step}
    assert {step.split()[1].rpartition(":")[2] for step in replaced} == {
        *("ListenerRule", "TaskDefinition")
    }


def test_load_balancer_and_target_group_stay_throughout(story):
    assert len(set(story.standing.values())) == 1


def test_the_page_is_where_the_setting_says(story):
    plain = story.pages["plain"]
    assert plain.startswith("http://careapp-poc-alb-")
    assert {name: story.pages[name] for name in list(story.pages)[:4]} == {
        "plain": plain,
        "own certificate": plain.replace("http:", "https:"),
        "domain": "https://app.example.com",
        "plain again": plain,
    }


COUNTS = {
    "scaled out": 3,
    "at night": 0,
    "hours off at night": 2,
    "scaling off": 1,
    "another count by hand": 3,
    "refreshed": 1,
}


def test_an_update_leaves_the_count_to_who_scales_and_takes_it_back_with_scaling(story):
    assert {name: story.counts[name] for name in COUNTS} == COUNTS
    assert "runs: 3 of 3 tasks" in story.said["scaled out"]
    night = story.said["at night"]
    assert "the desired count is 0, so there is nothing to wait for" in night


def test_a_count_that_somebody_else_has_set_is_told(story):
    said = " ".join(story.said["another count by hand"].split())
    assert (
        "the desired count of the service is 3, the stack file says 1; to change it: aws ecs"
        in said
    )


def test_capacity_follows_the_setting(story):
    names = ("spot, no nat", "login, on demand")
    providers = [[each["capacityProvider"] for each in story.provider[name]] for name in names]
    assert providers == [["FARGATE_SPOT"], ["FARGATE"]]


def test_the_load_balancer_has_the_secret_of_each_up_and_the_state_none(story):
    """Whether anything else is to be changed or not."""
    assert [each["ClientSecret"] for each in story.logins] == ["secret-of-may", "secret-of-june"]
    assert story.logins[0]["SessionTimeout"] == 12 * 3600
    assert SECRET_COMES_LATER in story.state
    assert "secret-of" not in story.state
