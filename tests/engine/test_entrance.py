"""HTTPS, scaling, the kind of capacity and a login, turned on and off on a running stack by the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from infra.login import SECRET_COMES_LATER
from tests.support.identity import change_secret, identity_provider, login_of, login_settings
from tests.support.local_stack import LocalStack, local_stack
from tools.local_cloud.aws import hooks
from tools.local_cloud.aws.scaling import schedule
from tools.local_cloud.engine.pulumi import Changes

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
        self.provider[name] = self.service().get("capacityProviderStrategy", [])

    def service(self) -> dict[str, Any]:
        """The service as ECS describes it; {} without one."""
        asked = {"cluster": "careapp-poc-cluster", "services": ["careapp-poc-service"]}
        found = self.stack.calls("ecs", "describe_services", asked)["services"]
        return found[0] if found else {}

    def count(self) -> int:
        """What the service wants; -1 without one."""
        return int(self.service().get("desiredCount", -1))

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
        story.step("stage 1", ecsEnabled="false")
        story.step("stage 2", ecsEnabled="true")
        story.step("plain again", **NO_DOMAIN)
        story.step("scaling", maxCount="4", scaleRequestsPerTarget="500")
        story.scaler_wants(3)
        story.step("scaled out", taskMemory="1024", cpuArchitecture="ARM64")
        story.step("another range", minCount="2", maxCount="6", scaleCpuTarget="0")
        story.step("hours", schedule=HOURS)
        story.night()
        story.step("at night", taskMemory="512", cpuArchitecture="X86_64", imageRevision="2")
        story.step("hours off at night", schedule="")
        story.step("scaling off", maxCount="0")
        story.scaler_wants(3)
        story.step("another count by hand")
        story.refresh("refreshed")
        story.step("spot, no nat", fargateSpot="true", natStrategy="none")
        story.step("on demand, nat", fargateSpot="false", natStrategy="single")
        url = story.pages["own certificate"]
        settings = login_settings(stack.calls, provider, url, "secret-of-may")
        story.step("login", certificateArn=ARN, **settings)
        held = [login_of(stack.calls)]
        change_secret(stack.calls, provider, settings, "secret-of-june")
        story.step("login again")
        story.logins = [*held, login_of(stack.calls)]
        story.state = stack.state()
        story.step("login off", **dict.fromkeys(settings, ""))
        yield story


def watch(alarm):
    """An alarm whose threshold follows a setting, and the dashboard that shows it."""
    return ["update Dashboard careapp-poc", f"update MetricAlarm careapp-poc-{alarm}"]


def steps(story: Story, name: str) -> list[str]:
    """What was done and to what; the three words for a replacement as one, the components left out."""
    return sorted(
        f"{operation} {kind.rpartition(':')[2]} {resource}"
        for operation, kind, resource in (step.split() for step in story.did[name].steps)
        if operation not in ("create-replacement", "delete-replaced")
        and not kind.startswith("careapp:")
    )


def test_https_comes_in_place_and_only_the_rule_moves(story):
    assert steps(story, "own certificate") == [
        "create Listener careapp-poc-https",
        "create SecurityGroupIngressRule careapp-poc-internet-to-alb-443",
        "replace ListenerRule careapp-poc-app",
        "update Listener careapp-poc-http",
    ]


def test_another_certificate_changes_the_listener_in_place(story):
    assert steps(story, "domain") == [
        "create Certificate careapp-poc-certificate",
        "create CertificateValidation careapp-poc-certificate",
        "create Record careapp-poc-certificate",
        "create Record careapp-poc-page",
        "update Listener careapp-poc-https",
    ]


def test_stage_2_only_adds_with_https_too(story):
    did = story.did["stage 2"]
    assert (did.updated, did.replaced, did.deleted) == (0, 0, 0)
    assert did.created == story.did["stage 1"].deleted > 0


def test_https_goes_in_place_and_only_the_rule_moves(story):
    assert steps(story, "plain again") == [
        "delete Certificate careapp-poc-certificate",
        "delete CertificateValidation careapp-poc-certificate",
        "delete Listener careapp-poc-https",
        "delete Record careapp-poc-certificate",
        "delete Record careapp-poc-page",
        "delete SecurityGroupIngressRule careapp-poc-internet-to-alb-443",
        "replace ListenerRule careapp-poc-app",
        "update Listener careapp-poc-http",
    ]


def test_load_balancer_and_target_group_stay_throughout(story):
    assert len(set(story.standing.values())) == 1


def test_the_page_is_where_the_setting_says(story):
    plain = story.pages["plain"]
    assert plain.startswith("http://careapp-poc-alb-")
    assert {name: story.pages[name] for name in list(story.pages)[:6]} == {
        "plain": plain,
        "own certificate": plain.replace("http:", "https:"),
        "domain": "https://app.example.com",
        "stage 1": "https://app.example.com",
        "stage 2": "https://app.example.com",
        "plain again": plain,
    }


NAT = ["Eip", "NatGateway", "Route", "Route"]
RANGE_AND_POLICIES = [
    "Policy careapp-poc-cpu",
    "Policy careapp-poc-requests",
    "Target careapp-poc-service",
]
ROLL = ["replace TaskDefinition careapp-poc-app", "update Service careapp-poc-service"]
IMAGE = "update Image careapp-poc-app"
"""Another architecture is a new image."""


def test_scaling_comes_without_touching_the_service(story):
    assert steps(story, "scaling") == [f"create {each}" for each in RANGE_AND_POLICIES]


def test_an_update_does_not_take_back_what_the_scaler_has_set(story):
    assert steps(story, "scaled out") == sorted([*ROLL, IMAGE, *watch("service-memory")])
    assert story.counts["scaled out"] == 3
    assert "runs: 3 of 3 tasks" in story.said["scaled out"]


def test_range_and_targets_change_in_place_or_go(story):
    assert steps(story, "another range") == [
        "delete Policy careapp-poc-cpu",
        *watch("service-running"),
        "update Target careapp-poc-service",
    ]
    assert story.counts["another range"] == 3


def test_hours_come_in_place(story):
    assert steps(story, "hours") == [
        "create ScheduledAction careapp-poc-start",
        "create ScheduledAction careapp-poc-stop",
        "update MetricAlarm careapp-poc-service-running",
        "update Target careapp-poc-service",
    ]


def test_an_update_at_night_waits_for_nothing_and_starts_nothing(story):
    assert steps(story, "at night") == sorted([*ROLL, IMAGE, *watch("service-memory")])
    assert story.counts["at night"] == 0
    assert "the desired count is 0, so there is nothing to wait for" in story.said["at night"]


def test_hours_taken_away_at_night_bring_the_tasks_back(story):
    assert steps(story, "hours off at night") == [
        "delete ScheduledAction careapp-poc-start",
        "delete ScheduledAction careapp-poc-stop",
        "update MetricAlarm careapp-poc-service-running",
        "update Target careapp-poc-service",
    ]
    assert story.counts["hours off at night"] == 2


def test_scaling_goes_and_the_count_is_the_program_s_again(story):
    assert steps(story, "scaling off") == [
        "delete Policy careapp-poc-requests",
        "delete Target careapp-poc-service",
        *watch("service-running"),
        "update Service careapp-poc-service",
    ]
    assert story.counts["scaling off"] == 1


def test_a_count_that_somebody_else_has_set_is_told_and_a_refresh_takes_it_back(story):
    assert steps(story, "another count by hand") == []
    assert story.counts["another count by hand"] == 3
    assert (
        "the desired count of the service is 3, the stack file says 1; to change it: aws ecs"
        in " ".join(story.said["another count by hand"].split())
    )
    assert story.counts["refreshed"] == 1


@pytest.mark.parametrize(
    ("name", "provider", "verb"),
    [("spot, no nat", "FARGATE_SPOT", "delete"), ("on demand, nat", "FARGATE", "create")],
)
def test_capacity_and_nat_gateway_change_the_service_in_place(story, name, provider, verb):
    done = [" ".join(step.split()[:2]) for step in steps(story, name)]
    assert done == [*(f"{verb} {kind}" for kind in NAT), "update Service"]
    assert [each["capacityProvider"] for each in story.provider[name]] == [provider]


def test_a_login_comes_in_place(story):
    steps_done = steps(story, "login")
    port = next(each.rpartition("-")[2] for each in steps_done if "alb-to-login" in each)
    assert steps_done == [
        "create Listener careapp-poc-https",
        "create ListenerRule careapp-poc-dots",
        "create ListenerRule careapp-poc-public",
        f"create SecurityGroupEgressRule careapp-poc-alb-to-login-{port}",
        "create SecurityGroupIngressRule careapp-poc-internet-to-alb-443",
        "replace ListenerRule careapp-poc-app",
        "update Listener careapp-poc-http",
    ]


def test_the_load_balancer_has_the_secret_of_each_up_and_the_state_none(story):
    """Whether nothing else is to be changed or not."""
    assert steps(story, "login again") == []
    assert [each["ClientSecret"] for each in story.logins] == ["secret-of-may", "secret-of-june"]
    assert story.logins[0]["SessionTimeout"] == 12 * 3600
    assert SECRET_COMES_LATER in story.state
    assert "secret-of" not in story.state


def test_a_login_goes_in_place(story):
    assert [each.rstrip("0123456789") for each in steps(story, "login off")] == [
        "delete ListenerRule careapp-poc-dots",
        "delete ListenerRule careapp-poc-public",
        "delete SecurityGroupEgressRule careapp-poc-alb-to-login-",
        "update ListenerRule careapp-poc-app",
    ]
