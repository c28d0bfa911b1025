"""Jobs: a schedule of EventBridge Scheduler for each, and the role that may run just their tasks."""

from __future__ import annotations

import json

import pytest

from infra.jobs import Jobs, JobsArgs
from tests.unit.conftest import NAME, TAGS, service

SCHEDULE = "aws:scheduler/schedule:Schedule"
DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"
REPORT = "careapp-poc-job-report"
FIELDS = {"command": "flask report --yesterday", "schedule": "cron(0 3 * * ? *)"}
ECS = "arn:aws:ecs:ap-northeast-1:123456789012"


def stage(settings):
    return Jobs(NAME, JobsArgs(settings=settings, service=service(settings)))


@pytest.fixture
def build(declare):
    """Declares the job `report` with these fields, and what else the stack file says."""

    def build(fields=None, **changes):
        return declare(stage, jobs=json.dumps({"report": FIELDS | (fields or {})}), **changes)

    return build


def container(engine, name):
    [made] = json.loads(engine.inputs(DEFINITION)[name]["containerDefinitions"])
    return made


def test_the_whole_schedule_of_a_job(engine, build):
    build()
    assert engine.inputs(SCHEDULE) == {
        REPORT: {
            "name": "report",
            "groupName": "careapp-poc",
            "scheduleExpression": "cron(0 3 * * ? *)",
            "scheduleExpressionTimezone": "Asia/Tokyo",
            "state": "ENABLED",
            "flexibleTimeWindow": {"mode": "OFF"},
            "target": {
                "arn": "arn:Cluster/careapp-poc-cluster",
                "roleArn": "arn:Role/careapp-poc-jobs",
                "retryPolicy": {"maximumRetryAttempts": 3, "maximumEventAgeInSeconds": 600},
                "ecsParameters": {
                    "taskDefinitionArn": f"arn:TaskDefinition/{REPORT}",
                    "taskCount": 1,
                    "launchType": "FARGATE",
                    "platformVersion": "LATEST",
                    "networkConfiguration": {
                        "subnets": ["private-1", "private-2"],
                        "securityGroups": ["SecurityGroup/careapp-poc-app"],
                        "assignPublicIp": False,
                    },
                    "enableEcsManagedTags": True,
                    "propagateTags": "TASK_DEFINITION",
                },
            },
        }
    }
    urns = engine.request(SCHEDULE, REPORT).dependencies
    assert "aws:ecs/service:Service::careapp-poc-service" in {
        urn.rpartition("$")[2] for urn in urns
    }


def test_the_group_s_name_is_the_stack_s(engine, build):
    build()
    assert engine.inputs("aws:scheduler/scheduleGroup:ScheduleGroup") == {
        "careapp-poc-jobs": {"name": "careapp-poc", "tags": TAGS}
    }


def test_a_job_s_own_fields_are_its_schedule_s(engine, build):
    build(
        {"schedule": "rate(1 day)", "timeZone": "UTC", "enabled": False, "cpu": 512, "memory": 1024}
    )
    made, definition = engine.inputs(SCHEDULE)[REPORT], engine.inputs(DEFINITION)[REPORT]
    keys = ("scheduleExpression", "scheduleExpressionTimezone", "state")
    assert [made[key] for key in keys] == ["rate(1 day)", "UTC", "DISABLED"]
    assert (definition["cpu"], definition["memory"]) == ("512", "1024")


def test_a_job_runs_the_web_s_image_under_timeout_in_a_stream_of_its_own(engine, build):
    build({"timeoutMinutes": 5})
    ours, web = container(engine, REPORT), container(engine, "careapp-poc-app")
    command = ["timeout", "-k", "30", "300", "flask", "report", "--yesterday"]
    assert (ours["command"], ours["portMappings"], ours["stopTimeout"]) == (command, [], 30)
    assert ours["logConfiguration"]["options"].pop("awslogs-stream-prefix") == "job-report"
    web["logConfiguration"]["options"].pop("awslogs-stream-prefix")
    for own in ("command", "portMappings"):
        ours.pop(own)
        web.pop(own, None)
    assert ours == web
    made = engine.inputs(DEFINITION)
    same = ("executionRoleArn", "taskRoleArn", "runtimePlatform", "tags")
    assert [made[REPORT][key] for key in same] == [made["careapp-poc-app"][key] for key in same]
    assert made[REPORT]["family"] == REPORT


def test_only_the_scheduler_for_this_group_of_this_account_may_take_the_role(engine, build):
    """EventBridge Scheduler User Guide, "Cross-service confused deputy prevention": the ARN is the group's."""
    build()
    made = engine.inputs("aws:iam/role:Role")["careapp-poc-jobs"]
    assert json.loads(made["assumeRolePolicy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {
                    "aws:SourceAccount": "123456789012",
                    "aws:SourceArn": "arn:ScheduleGroup/careapp-poc-jobs",
                }
            },
        }
    ]


def test_the_role_may_run_these_jobs_in_this_cluster_and_pass_these_two_roles(engine, build):
    build()
    made = engine.inputs("aws:iam/rolePolicy:RolePolicy")["careapp-poc-jobs"]
    assert json.loads(made["policy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["ecs:RunTask"],
            "Resource": f"{ECS}:task-definition/careapp-poc-job-*:*",
            "Condition": {"ArnEquals": {"ecs:cluster": "arn:Cluster/careapp-poc-cluster"}},
        },
        {
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": ["arn:Role/careapp-poc-execution", "arn:Role/careapp-poc-task"],
            "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        },
        {
            "Effect": "Allow",
            "Action": ["ecs:TagResource"],
            "Resource": "arn:Cluster/careapp-poc-cluster/*",
            "Condition": {"StringEquals": {"ecs:CreateAction": "RunTask"}},
        },
    ]
