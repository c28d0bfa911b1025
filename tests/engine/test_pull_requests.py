"""Stacks of pull requests beside another project in one local cloud, by their workflow and the real engine."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from botocore.client import BaseClient

from stack.names import StackNames
from tests.support.delivery import Delivery, deploy_to, iam
from tests.support.iam_policies import Call, allowed, calls_of
from tests.support.local_stack import local_stack
from tests.support.workflows import Ran, Runner, steps
from tools.local_cloud.paths import Home
from tools.local_cloud.providers.kind import path
from tools.local_cloud.run.project import Project

PR = Delivery.of("pr")
STACKS = {"acme": ("acme", "poc"), "pr-7": ("careapp", "pr-7"), "pr-12": ("careapp", "pr-12")}
"""Project and stack of all that stands in the local cloud."""
OTHER_STATE = ".pulumi/stacks/acme/pr-3.json"
"""The state of another project's pull request in the same bucket."""
WORKFLOW = "pull-request-stack"
NAMED = (
    ("database", "rds", "describe_db_instances", "DBInstances[].DBInstanceIdentifier"),
    ("balancer", "elbv2", "describe_load_balancers", "LoadBalancers[].LoadBalancerName"),
    ("groups", "elbv2", "describe_target_groups", "TargetGroups[].TargetGroupName"),
    ("bucket", "s3", "list_buckets", "Buckets[].Name"),
    ("role", "iam", "list_roles", "Roles[].RoleName"),
    ("repository", "ecr", "describe_repositories", "repositories[].repositoryName"),
)
"""How to find what has a stack's name: kind, call, and the names in the answer."""


@dataclass
class Story:
    """The workflow's runs; what AWS held of each stack, by what had happened; and the role's calls."""

    stack: object
    runner: Runner
    ran: dict[str, dict[str, Ran]] = field(default_factory=dict)
    held: dict[str, dict[str, Counter]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def job(self, what, number, name, **more):
        """Run a job for a pull request, and keep what AWS holds after it."""
        needs = {"github.event.pull_request.number": str(number)}
        self.runner.needs = needs | {f"needs.{key.replace('__', '.')}": more[key] for key in more}
        recorded, original = self.calls, BaseClient._make_api_call

        def record(client, operation, params):
            service = client.meta.service_model.service_name
            recorded.extend(calls_of(service, operation, params, iam("role/careapp-delivery-pr")))
            return original(client, operation, params)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", record)
            self.ran[what] = self.runner.job(WORKFLOW, name)
        self.look(what)

    def look(self, what):
        self.held[what] = {each: self._held(*STACKS[each]) for each in STACKS}

    def _held(self, project, stack):
        """Count what AWS holds of a stack: by its tags in EC2, by its names elsewhere."""
        calls, names = self.stack.calls, StackNames(stack, project)
        tags = {"project": project, "stack": stack}
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
        tagged, prefix, found = {"Filters": filters}, names.prefix, Counter()
        for kind in ("vpcs", "subnets", "security_groups", "route_tables", "internet_gateways"):
            [(_, answer)] = [
                each
                for each in calls("ec2", f"describe_{kind}", tagged).items()
                if isinstance(each[1], list)
            ]
            found[kind] = len(answer)
        # moto ignores this filter of NAT gateways.
        for each in calls("ec2", "describe_nat_gateways", {})["NatGateways"]:
            its = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
            found["nat"] += each["State"] != "deleted" and tags.items() <= its.items()
        for kind, service, operation, query in NAMED:
            present = path(query, calls(service, operation, {}))
            mine = [each for each in present if each == prefix or each.startswith(f"{prefix}-")]
            found[kind] = len(mine) if kind != "repository" else present.count(names.repository)
        arns = calls("ecs", "list_clusters", {})["clusterArns"]
        clusters = calls("ecs", "describe_clusters", {"clusters": arns})["clusters"]
        active = [each["clusterName"] for each in clusters if each["status"] == "ACTIVE"]
        found["cluster"] = active.count(names.cluster)
        return +found

    def states(self):
        """Every object in the bucket of the states."""
        found = self.stack.calls("s3", "list_objects_v2", {"Bucket": PR.bucket})
        return [each["Key"] for each in found["Contents"]]

    def age(self, number, hours):
        """Let a stack's updates have been hours earlier."""
        for key in self.states():
            if f"/pr-{number}/" in key and key.endswith(".history.json"):
                place = {"Bucket": PR.bucket, "Key": key}
                update = json.loads(self.stack.calls("s3", "get_object", place)["Body"].read())
                update["startTime"] -= int(timedelta(hours=hours).total_seconds())
                body = json.dumps(update).encode()
                self.stack.calls("s3", "put_object", {**place, "Body": body})


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("previews")
    with local_stack(folder / "cloud", project="acme") as stack:
        careapp = Project(Home(folder / "careapp"))
        careapp.prepare()
        # The right to a bucket is missed here, if the role lacks it.
        with (careapp.home.project / "Pulumi.poc.yaml").open("a") as model:
            model.write('  careapp:uploadsEnabled: "true"\n')

        def shell(*words):
            return subprocess.run(
                words,
                cwd=careapp.home.project,
                env=stack.pulumi.environment,
                capture_output=True,
                text=True,
            )

        runner = Runner(shell, careapp.home.project, folder)
        deploy_to(stack.calls, PR)
        runner.set_up(PR, endpoint=stack.pulumi.environment["AWS_ENDPOINT_URL"])
        story = Story(stack, runner)
        stack.up(ecsEnabled="true")
        story.acme = stack.state()
        other = {"Bucket": PR.bucket, "Key": OTHER_STATE, "Body": story.acme.encode()}
        stack.calls("s3", "put_object", other)
        story.job("put up", 7, "up")
        story.job("put up another", 12, "up")
        story.job("push", 7, "up")
        story.written = story.states()
        story.job("label gone", 7, "down")
        story.job("gone already", 7, "down")
        runner.on_path("gh", "numbers=[12]\n")
        story.job("list", 0, "labelled")
        labelled = story.ran["list"]["List"].outputs["numbers"]
        story.job("sweep in time", 0, "sweep", labelled__outputs__numbers=labelled)
        story.age(12, 8)
        story.job("sweep", 0, "sweep", labelled__outputs__numbers=labelled)
        yield story


def test_a_preview_is_put_up_whole_and_its_comment_has_its_address(story):
    made, before = story.held["put up"]["pr-7"], story.held["put up"]["acme"]
    kinds = ("vpcs", "database", "balancer", "repository", "cluster", "bucket")
    assert [made[kind] for kind in kinds] == [1] * 6
    assert (made["nat"], before["nat"]) == (0, 1)
    text = story.ran["put up"]["Put up"].outputs["text"]
    assert text.startswith("### pr-7 stands\n\nPage: http://")
    assert "for 8 hours. It is destroyed 8 hours after its last update, or when" in text


def test_a_push_updates_it(story):
    said = story.ran["push"]["Put up"].said
    assert "Creating (pr-7)" not in said
    assert "unchanged" in said
    assert story.held["push"]["pr-7"] == story.held["put up"]["pr-7"]


def test_two_stand_beside_another_project_and_each_goes_without_the_others(story):
    alone = story.held["put up"]["acme"]
    assert {each["acme"] == alone for each in story.held.values()} == {True}
    assert story.stack.state() == story.acme
    assert OTHER_STATE in story.states()
    both = story.held["push"]
    assert both["pr-7"] == both["pr-12"] != Counter()
    assert story.held["label gone"] == {**both, "pr-7": Counter()}
    assert story.held["sweep in time"] == story.held["label gone"]
    assert story.held["sweep"] == {**both, "pr-7": Counter(), "pr-12": Counter()}


def test_what_was_destroyed_is_said_and_twice_is_no_error(story):
    assert story.ran["label gone"]["Destroy"].outputs["text"] == "### pr-7 is destroyed"
    assert story.ran["gone already"]["Destroy"].outputs["text"] == "### pr-7 does not stand"
    assert story.ran["sweep in time"]["Sweep"].outputs == {
        "text": "No stack of a pull request was missed.",
        "comments": "[]",
    }
    [told] = json.loads(story.ran["sweep"]["Sweep"].outputs["comments"])
    why = "The sweep did it: its 8 hours after the last update are over."
    assert told == {"number": 12, "text": f"### pr-12 is destroyed\n\n{why}"}
    stacks = [key for key in story.states() if key.startswith(".pulumi/stacks/careapp/")]
    assert [key for key in stacks if key.endswith(".json")] == []


def test_the_open_pull_requests_with_the_label_are_listed(story):
    words, _ = story.runner.told("gh")
    assert words[:8] == [
        *("pr", "list", "--label", "preview", "--state", "open", "--limit", "1000")
    ]
    assert story.ran["list"]["List"].outputs == {"numbers": "[12]"}


def short(calls):
    return sorted({(call.action, call.resource) for call in calls})


def test_the_role_may_do_all_that_was_done(story):
    assert len({call.action for call in story.calls}) > 80
    assert short(call for call in story.calls if not allowed(PR.deploy, call)) == []


@pytest.mark.parametrize(
    ("stack", "project"), [("poc", "careapp"), ("prod", "careapp"), ("pr", "acme")]
)
def test_the_roles_of_other_stacks_and_projects_may_change_none_of_it(story, stack, project):
    ours = {"aws:ResourceTag/project": "careapp", "aws:ResourceTag/stack": "pr-7"}
    changes = [
        Call(call.action, call.resource, {**call.context, **ours})
        for call in story.calls
        if not call.reads and call.resource not in ("*", iam("role/aws-service-role/*"))
    ]
    assert len({call.action for call in changes}) > 50
    other = Delivery.of(stack, Project=project).deploy
    assert short(call for call in changes if allowed(other, call)) == []


def test_pulumi_writes_only_what_the_role_may_write(story):
    assert len([key for key in story.written if "/pr-7" in key]) > 2
    for key in (each for each in story.written if each != OTHER_STATE):
        call = Call("s3:PutObject", f"arn:aws:s3:::{PR.bucket}/{key}")
        assert allowed(PR.deploy, call), key


def test_no_step_is_left_out(story):
    failing = (WORKFLOW, "up", "Why it failed")
    ran = story.runner.ran | {
        failing
    }  # tools/tests/rehearsal/test_workflows.py runs the same command
    assert ran == {step.key for step in steps() if step.workflow == WORKFLOW}
