"""A value for every setting that differs from what each stack file says, to be turned on a running stack."""

from __future__ import annotations

import json

import pytest

from stack.settings import Settings
from tests.support.local_stack import LocalStack
from tools.local_cloud.engine.pulumi import PulumiFailed
from tools.local_cloud.paths import ROOT

CHANGES = {
    "permissionsBoundary": "boundary",
    "zoneCount": "3",
    "natStrategy": "single",
    "databaseInstanceClass": "db.m7g.large",
    "databaseMultiAz": "false",
    "databaseBackupDays": "14",
    "databaseFinalSnapshot": "last",
    "databaseMonitoringInterval": "0",
    "databaseInsights": "false",
    "databaseIamAuth": "false",
    "cpuArchitecture": "ARM64",
    "imagesKept": "20",
    "appConnections": "3",
    "healthCommand": "true",
    "deployCommand": "true",
    "containerPort": "8080",
    "taskCpu": "1024",
    "taskMemory": "2048",
    "desiredCount": "3",
    "shiftPercent": "20",
    "shiftMinutes": "2",
    "bakeMinutes": "3",
    "rolloutTimeoutMinutes": "20",
    "fargateSpot": "true",
    "execEnabled": "true",
    "containerInsights": "false",
    "logRetentionDays": "60",
    "minCount": "3",
    "maxCount": "4",
    "scaleCpuTarget": "50",
    "scaleRequestsPerTarget": "500",
    "schedule": "mon-sun 00:00-23:59",
    "scheduleTimeZone": "UTC",
    "healthPath": "/health/db",
    "healthMatcher": "200-299",
    "smokePath": "/health",
    "smokeMatcher": "200-399",
    "smokeRequests": "3",
    "healthInterval": "20",
    "healthTimeout": "6",
    "healthyThreshold": "3",
    "unhealthyThreshold": "4",
    "healthGracePeriod": "90",
    "deregistrationDelay": "30",
    "certificateArn": "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a",
    "alarmsEnabled": "false",
    "deployErrorPercent": "25",
    "deployLatencySeconds": "2",
    "dashboardEnabled": "false",
    "bastionEnabled": "true",
    "previewHours": "24",
}
"""Values that a running, protected stack takes, and gives up again."""
ONE_WAY = {"databaseStorageGb": "100", "imageRevision": "2", "alarmEmail": "team@example.com"}
"""RDS never shrinks a database's storage; a pushed tag is never pushed again."""
ELSEWHERE = (
    *("ecsEnabled", "protect", "deployStrategy"),
    *("domainName", "hostedZoneId"),
    *("appFolder", "appDockerfile", "appTarget", "appVariables", "appSecrets"),
)
"""By a life's own steps; by test_shifting; by test_entrance, which has the zone; by test_rehearse."""
ANYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)


def values(stack: str) -> dict[str, str]:
    """What a stack file says, with the defaults."""
    return dict(Settings.read(stack, ROOT).texts)


def allow_boundary(stack: LocalStack) -> None:
    """Make the policy that `permissionsBoundary` is turned to."""
    boundary = {"PolicyName": CHANGES["permissionsBoundary"], "PolicyDocument": ANYTHING}
    stack.calls("iam", "create_policy", boundary)


def left_to_do(stack: LocalStack) -> list[str]:
    """What an `up` with a refresh still does."""
    steps = stack.pulumi.update("up", stack.name, "--refresh").steps
    return [step for step in steps if not step.startswith("refresh ")]


def refused_preview(stack: LocalStack, config: dict[str, str]) -> str:
    """What the preview of a change says that must be refused; the settings are put back."""
    before = values(stack.name)
    stack.configure(config)
    try:
        with pytest.raises(PulumiFailed) as refused:
            stack.pulumi.run("preview", "--stack", stack.name)
    finally:
        stack.configure({key: before[key] for key in config})
    return refused.value.output
