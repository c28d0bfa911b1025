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
from tests.support.identity import change_secret, identity_provider, login_of, login_settings
from tests.support.local_stack import LocalStack, local_stack
from tests.support.steps import Story

DOMAIN = {"domainName": "app.example.com", "hostedZoneId": "Z0123456789ABC"}
NO_DOMAIN = {"domainName": "", "hostedZoneId": ""}
ARN = "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a"


@dataclass(frozen=True)
class Seen:
    """What stands after a step: where the page is, load balancer and target group, how many tasks of which provider."""

    page: str
    standing: tuple[str, str]
    count: int
    """What the service wants; -1 without one."""
    providers: list[str]

    @classmethod
    def of(cls, stack: LocalStack) -> "Seen":
        [balancer] = stack.calls("elbv2", "describe_load_balancers", {})["LoadBalancers"]
        [group] = stack.calls("elbv2", "describe_target_groups", {})["TargetGroups"]
        service = stack.service()
        return cls(
            stack.outputs()["pageUrl"],
            (balancer["LoadBalancerArn"], group["TargetGroupArn"]),
            int(service.get("desiredCount", -1)),
            [each["capacityProvider"] for each in service.get("capacityProviderStrategy", [])],
        )


@dataclass
class Entrance(Story):
    """What each step did, and what stands then."""

    logins: list[dict[str, Any]] = field(default_factory=list)
    state: str = ""

    def scaler_wants(self, count: int) -> None:
        """What Application Auto Scaling does when load calls for it."""
        asked = {"cluster": "careapp-poc-cluster", "service": "careapp-poc-service"}
        self.stack.calls("ecs", "update_service", {**asked, "desiredCount": count})

    def said(self, name: str) -> str:
        return " ".join(self.did[name].said.split())


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entrance]:
    folder = tmp_path_factory.mktemp("entrance")
    # Hours of another day than today: it is night whenever this runs.
    office = (datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(days=3)).replace(hour=10)
    hours = f"{office:%a} 08:00-20:00".lower()
    with identity_provider(folder) as provider, local_stack(folder) as stack:
        story = Entrance(stack, Seen.of)
        story.up("plain", ecsEnabled="true")
        story.up("own certificate", certificateArn=ARN)
        story.up("domain", certificateArn="", **DOMAIN)
        story.up("plain again, scaling", maxCount="4", scaleRequestsPerTarget="500", **NO_DOMAIN)
        story.scaler_wants(3)
        more = {"minCount": "2", "maxCount": "6", "scaleCpuTarget": "0"}
        more |= {"taskMemory": "1024", "cpuArchitecture": "ARM64", "schedule": hours}
        story.up("scaled out, hours", **more)
        with hooks.LOCK:  # the stop of the hours falls due
            schedule.run_due(office, office + timedelta(hours=12))
        story.up("at night", taskMemory="512", cpuArchitecture="X86_64", imageRevision="2")
        story.up("hours off at night", schedule="")
        story.up("scaling off, spot, no nat", maxCount="0", fargateSpot="true", natStrategy="none")
        story.scaler_wants(3)
        story.up("another count by hand")
        story.keep("refreshed", stack.pulumi.update("up", stack.name, "--refresh"))
        url = story.seen["own certificate"].page
        settings = login_settings(stack.calls, provider, url, "secret-of-may")
        back = {"fargateSpot": "false", "natStrategy": "single", "certificateArn": ARN}
        story.up("login, on demand", **back, **settings)
        held = [login_of(stack.calls)]
        change_secret(stack.calls, provider, settings, "secret-of-june")
        story.up("login again")
        story.logins = [*held, login_of(stack.calls)]
        story.state = stack.state()
        story.up("login off", **dict.fromkeys(settings, ""))
        yield story


def test_each_step_does_what_is_recorded(story):
    """HTTPS, scaling, hours, capacity and a login come and go in place; of them only the rule is replaced.

    A new task definition is a roll-out; the count that a scaler has set is not taken back by it.
    """
    story.check("entrance")


def test_load_balancer_and_target_group_stay_throughout(story):
    assert len({seen.standing for seen in story.seen.values()}) == 1


def test_the_page_is_where_the_setting_says(story):
    plain = story.seen["plain"].page
    assert plain.startswith("http://careapp-poc-alb-")
    assert {name: story.seen[name].page for name in list(story.seen)[:4]} == {
        "plain": plain,
        "own certificate": plain.replace("http:", "https:"),
        "domain": "https://app.example.com",
        "plain again, scaling": plain,
    }


COUNTS = {
    "scaled out, hours": 3,
    "at night": 0,
    "hours off at night": 2,
    "scaling off, spot, no nat": 1,
    "another count by hand": 3,
    "refreshed": 1,
}


def test_an_update_leaves_the_count_to_who_scales_and_takes_it_back_with_scaling(story):
    assert {name: story.seen[name].count for name in COUNTS} == COUNTS
    assert "runs: 3 of 3 tasks" in story.said("scaled out, hours")
    night = story.said("at night")
    assert "the desired count is 0, so there is nothing to wait for" in night


def test_a_count_that_somebody_else_has_set_is_told(story):
    told = "3 tasks are desired, and the stack file says 1: Set it again: aws ecs update-service"
    assert told in story.said("another count by hand")


def test_capacity_follows_the_setting(story):
    names = ("scaling off, spot, no nat", "login, on demand")
    assert [story.seen[name].providers for name in names] == [["FARGATE_SPOT"], ["FARGATE"]]


def test_the_load_balancer_has_the_secret_of_each_up_and_the_state_none(story):
    """Whether anything else is to be changed or not."""
    assert [login["ClientSecret"] for login in story.logins] == ["secret-of-may", "secret-of-june"]
    assert story.logins[0]["SessionTimeout"] == 12 * 3600
    assert SECRET_COMES_LATER in story.state
    assert "secret-of" not in story.state
