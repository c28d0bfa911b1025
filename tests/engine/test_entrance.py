"""HTTPS, scaling and the kind of capacity, turned on and off on a running stack by the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from rehearsal.pulumi import Changes
from tests.support.local_stack import LocalStack, local_stack

DOMAIN = {"domainName": "app.example.com", "hostedZoneId": "Z0123456789ABC"}
NO_DOMAIN = {"domainName": "", "hostedZoneId": ""}
ARN = "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a"


@dataclass
class Story:
    """What each step did, what it gave out, and which load balancer and target group stood then."""

    stack: LocalStack
    did: dict[str, Changes] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    standing: dict[str, tuple[str, str]] = field(default_factory=dict)

    def step(self, name: str, **config: str) -> None:
        stack = self.stack
        self.did[name] = stack.up(**config)
        self.pages[name] = stack.pulumi.outputs(stack.name)["pageUrl"]
        balancers = stack.calls("elbv2", "describe_load_balancers", {})["LoadBalancers"]
        groups = stack.calls("elbv2", "describe_target_groups", {})["TargetGroups"]
        self.standing[name] = balancers[0]["LoadBalancerArn"], groups[0]["TargetGroupArn"]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with local_stack(tmp_path_factory.mktemp("entrance")) as stack:
        story = Story(stack)
        story.step("plain", ecsEnabled="true")
        story.step("own certificate", certificateArn=ARN)
        story.step("domain", certificateArn="", **DOMAIN)
        story.step("stage 1", ecsEnabled="false")
        story.step("stage 2", ecsEnabled="true")
        story.step("plain again", **NO_DOMAIN)
        yield story


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
    assert story.pages == {
        "plain": plain,
        "own certificate": plain.replace("http:", "https:"),
        "domain": "https://app.example.com",
        "stage 1": "https://app.example.com",
        "stage 2": "https://app.example.com",
        "plain again": plain,
    }
