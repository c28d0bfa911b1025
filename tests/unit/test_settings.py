"""The settings of a stack file that are accepted."""

from __future__ import annotations

import json
from datetime import time
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from stack.app import RESERVED, ImageSettings
from stack.database import DatabaseSettings
from stack.deployments import DeploymentSettings
from stack.entrance import HealthSettings, HttpsSettings
from stack.file import StackError
from stack.monitoring import LogSettings, MonitoringSettings
from stack.names import StackNames
from stack.network import NetworkSettings
from stack.scaling import Hours, ScalingSettings
from stack.service import ServiceSettings
from stack.settings import Settings


def test_a_stack_file_need_only_name_the_region(configured):
    assert configured() == Settings(
        project="careapp",
        stack="poc",
        region="ap-northeast-1",
        ecs_enabled=False,
        protect=True,
        boundary="",
        rollout_minutes=15,
        bastion_enabled=False,
        preview_hours=8,
        network=NetworkSettings(
            cidr=IPv4Network("10.0.0.0/16"),
            zones=("ap-northeast-1a", "ap-northeast-1c"),
            nat="single",
        ),
        database=DatabaseSettings(
            instance_class="db.t4g.micro",
            storage_gb=20,
            multi_az=False,
            backup_days=7,
            final_snapshot="final",
            monitoring_interval=0,
            insights=False,
            iam_auth=False,
            logs=False,
            log_days=30,
        ),
        image=ImageSettings(folder=Path("webapp"), architecture="X86_64", revision="1", kept=10),
        health=HealthSettings(
            path="/health",
            matcher="200",
            interval=10,
            timeout=5,
            healthy=2,
            unhealthy=3,
            deregistration_delay=15,
            smoke_path="/",
        ),
        https=HttpsSettings(certificate_arn="", domain="", zone_id=""),
        service=ServiceSettings(
            port=3000,
            variables={},
            secrets={},
            connections=4,
            health_command="",
            deploy_command=(),
            cpu=256,
            memory=512,
            architecture="X86_64",
            desired_count=1,
            scaling=ScalingSettings(
                minimum=1, maximum=1, cpu=0, requests=0, hours=None, time_zone="Asia/Tokyo"
            ),
            deployment=DeploymentSettings(strategy="rolling", percent=10, minutes=5, bake=5),
            spot=False,
            exec_enabled=False,
            insights=False,
            log_days=30,
            grace_period=60,
        ),
        logs=LogSettings(flow=False, access=False, days=30),
        monitoring=MonitoringSettings(
            alarms=True, email="", dashboard=True, error_percent=10, latency=5
        ),
    )


SECRET = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:key-AbCdEf:k::"


def test_every_key_reaches_the_record(configured):
    loaded = configured(
        ecsEnabled="true",
        protect="false",
        permissionsBoundary="a-policy",
        vpcCidr="172.16.0.0/18",
        zoneCount="3",
        zones="ap-northeast-1d, ap-northeast-1c,ap-northeast-1a",
        natStrategy="onePerAz",
        databaseInstanceClass="db.m7g.large",
        databaseStorageGb="100",
        databaseMultiAz="true",
        databaseBackupDays="35",
        databaseFinalSnapshot="before-2027",
        appVariables='{"GREETING": "hello"}',
        appSecrets=json.dumps({"API_KEY": SECRET}),
        appConnections="6",
        healthCommand="true",
        deployCommand="flask db \"say 'hello'\"",
        cpuArchitecture="ARM64",
        imagesKept="30",
        imageRevision="2026-11",
        containerPort="8080",
        taskCpu="1024",
        taskMemory="3072",
        desiredCount="4",
        minCount="2",
        maxCount="9",
        scaleCpuTarget="70",
        scaleRequestsPerTarget="500",
        schedule="mon-sat 07:30-22:05",
        scheduleTimeZone="Europe/Berlin",
        rolloutTimeoutMinutes="40",
        shiftPercent="20",
        shiftMinutes="1",
        bakeMinutes="3",
        fargateSpot="true",
        execEnabled="true",
        containerInsights="true",
        logRetentionDays="365",
        healthPath="/live?x=1",
        healthMatcher="200-299",
        smokePath="/shop",
        healthInterval="20",
        healthTimeout="7",
        healthyThreshold="4",
        unhealthyThreshold="6",
        healthGracePeriod="90",
        deregistrationDelay="0",
        databaseMonitoringInterval="15",
        databaseInsights="true",
        databaseIamAuth="true",
        databaseLogs="true",
        flowLogs="true",
        accessLogs="true",
        alarmsEnabled="false",
        bastionEnabled="true",
        alarmEmail="team@example.com",
        deployErrorPercent="25",
        deployLatencySeconds="2",
        dashboardEnabled="false",
        domainName="app.example.com",
        hostedZoneId="Z0123456789ABC",
        previewHours="24",
    )
    assert loaded == Settings(
        project="careapp",
        stack="poc",
        region="ap-northeast-1",
        ecs_enabled=True,
        protect=False,
        boundary="a-policy",
        rollout_minutes=40,
        bastion_enabled=True,
        preview_hours=24,
        network=NetworkSettings(
            cidr=IPv4Network("172.16.0.0/18"),
            zones=("ap-northeast-1d", "ap-northeast-1c", "ap-northeast-1a"),
            nat="onePerAz",
        ),
        database=DatabaseSettings(
            instance_class="db.m7g.large",
            storage_gb=100,
            multi_az=True,
            backup_days=35,
            final_snapshot="before-2027",
            monitoring_interval=15,
            insights=True,
            iam_auth=True,
            logs=True,
            log_days=365,
        ),
        image=ImageSettings(
            folder=Path("webapp"), architecture="ARM64", revision="2026-11", kept=30
        ),
        health=HealthSettings(
            path="/live?x=1",
            matcher="200-299",
            interval=20,
            timeout=7,
            healthy=4,
            unhealthy=6,
            deregistration_delay=0,
            smoke_path="/shop",
        ),
        https=HttpsSettings(certificate_arn="", domain="app.example.com", zone_id="Z0123456789ABC"),
        service=ServiceSettings(
            port=8080,
            variables={"GREETING": "hello"},
            secrets={"API_KEY": SECRET},
            connections=6,
            health_command="true",
            deploy_command=("flask", "db", "say 'hello'"),
            cpu=1024,
            memory=3072,
            architecture="ARM64",
            desired_count=4,
            scaling=ScalingSettings(
                minimum=2,
                maximum=9,
                cpu=70,
                requests=500,
                hours=Hours(
                    text="mon-sat 07:30-22:05", days="MON-SAT", start=time(7, 30), stop=time(22, 5)
                ),
                time_zone="Europe/Berlin",
            ),
            deployment=DeploymentSettings(strategy="rolling", percent=20, minutes=1, bake=3),
            spot=True,
            exec_enabled=True,
            insights=True,
            log_days=365,
            grace_period=90,
        ),
        logs=LogSettings(flow=True, access=True, days=365),
        monitoring=MonitoringSettings(
            alarms=False, email="team@example.com", dashboard=False, error_percent=25, latency=2
        ),
    )


def test_names_and_tags_follow_project_and_stack(configured):
    assert configured().names == StackNames("poc", "careapp")
    assert configured(stack="prod").tags == {
        "project": "careapp",
        "stack": "prod",
        "managed-by": "pulumi",
    }


ARN = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:careapp-poc/key-AbCdEf"


def problem(load, **changes):
    """The one problem, without its key."""
    with pytest.raises(StackError) as refused:
        load(**{key: json.dumps(value) for key, value in changes.items()})
    [line] = str(refused.value).splitlines()[1:-1]
    return line.strip()


def test_every_variable_that_the_stack_sets_is_refused_to_the_app(configured):
    for name in RESERVED:
        for key in ("appVariables", "appSecrets"):
            assert problem(configured, **{key: {name: ARN}}) == (
                f"{key}: {name} is set by the stack; let the app read it (docs/your-app.md), "
                "or choose another name"
            )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("appVariables", "A=b", "it is not a map of names to values; set one entry at a time: `pu"),
        ("appVariables", {"two words": "b"}, "'two words' is not a variable name"),
        ("appVariables", {"1ST": "b"}, "'1ST' is not a variable name"),
        ("appVariables", {"LIST": ["b"]}, "LIST has a list or a map as its value"),
        ("appSecrets", {"KEY": "hunter2"}, "a value of 7 characters is not the complete ARN"),
        ("appSecrets", {"KEY": f"{ARN}:salt"}, "a value of 85 characters is not the complete ARN"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused_with_the_rule(configured, key, value, words):
    assert problem(configured, **{key: value}).startswith(f"{key}: {words}")


def test_what_may_be_a_secret_is_not_repeated(configured):
    assert "hunter2" not in problem(configured, appSecrets={"KEY": "hunter2"})


def test_a_name_is_a_variable_or_a_secret(configured):
    changes = {"appVariables": {"KEY": "a"}, "appSecrets": {"KEY": ARN}}
    assert problem(configured, **changes) == (
        "appSecrets: KEY is in appVariables, too; remove it from one of the two: "
        "`pulumi config rm --path appVariables.KEY`"
    )


def test_a_deploy_command_with_an_open_quotation_is_refused(configured):
    with pytest.raises(StackError) as refused:
        configured(deployCommand="sh -c 'flask db upgrade")
    assert (
        'deployCommand: "sh -c \'flask db upgrade" has a quotation mark without its partner, or ends '
        "with a backslash; add the missing mark, or put a backslash before a mark that is part of a word"
    ) in str(refused.value)


def test_a_deploy_command_is_as_long_as_ecs_allows(configured):
    around = len('{"containerOverrides": [{"name": "app", "command": [""]}]}')
    longest = "x" * (8192 - around)
    assert configured(deployCommand=longest).service.deploy_command == (longest,)
    with pytest.raises(
        StackError,
        match=r"deployCommand: the command takes 8193 characters .* ECS allows 8192; put",
    ):
        configured(deployCommand=f"{longest}x")


def test_an_encrypted_deploy_command_would_be_shown_by_ecs(configured):
    with pytest.raises(StackError, match=r"deployCommand: it is encrypted, but ECS shows.*--plain"):
        configured(encrypted=("careapp:deployCommand",), deployCommand="true")


def test_an_encrypted_variable_belongs_into_secrets_manager(configured):
    with pytest.raises(StackError, match=r"appVariables: a value is encrypted.*appSecrets"):
        configured(encrypted=("careapp:appVariables",), appVariables='{"KEY": "hunter2"}')


@pytest.mark.parametrize("folder", ["../mine", "/srv/app", ".", ".hidden", "a/../b", "app/"])
def test_the_app_is_below_the_project_s_folder(configured, folder):
    with pytest.raises(StackError, match=r"appFolder: .* is not a folder below the project's"):
        configured(appFolder=folder)


def test_a_folder_without_a_dockerfile_is_named(configured, checkout):
    (checkout / "apps" / "mine").mkdir(parents=True)
    with pytest.raises(StackError, match="appFolder: apps/mine/Dockerfile does not exist"):
        configured(appFolder="apps/mine")
    (checkout / "apps" / "mine" / "Dockerfile").write_text("FROM python:3.13-slim\n")
    assert str(configured(appFolder="apps/mine").image.folder) == "apps/mine"
