"""The settings of a stack file that are accepted."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import time
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from stack.container import RESERVED
from stack.database import DatabaseSettings
from stack.file import StackError
from stack.image import ImageSettings
from stack.load_balancer import HealthSettings, HttpsSettings
from stack.monitoring import LogSettings, MonitoringSettings
from stack.names import StackNames
from stack.network import NetworkSettings
from stack.scaling import Hours, ScalingSettings
from stack.service import ServiceSettings
from stack.settings import KEYS, Settings
from stack.shifting import DeploymentSettings


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
            zone_count=2,
            zones=(),
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
            smoke_matcher="200-299",
            smoke_requests=10,
        ),
        https=HttpsSettings(certificate_arn="", domain="", zone_id=""),
        service=ServiceSettings(
            port=3000,
            variables={},
            secrets={},
            passwords=(),
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


EVERY = {
    "ecsEnabled": ("true", "ecs_enabled", True),
    "protect": ("false", "protect", False),
    "permissionsBoundary": ("a-policy", "boundary", "a-policy"),
    "vpcCidr": ("172.16.0.0/18", "network.cidr", IPv4Network("172.16.0.0/18")),
    "zoneCount": ("3", "network.zone_count", 3),
    "zones": (
        "ap-northeast-1d, ap-northeast-1c,ap-northeast-1a",
        "network.zones",
        ("ap-northeast-1d", "ap-northeast-1c", "ap-northeast-1a"),
    ),
    "natStrategy": ("onePerAz", "network.nat", "onePerAz"),
    "databaseInstanceClass": ("db.m7g.large", "database.instance_class", "db.m7g.large"),
    "databaseStorageGb": ("100", "database.storage_gb", 100),
    "databaseMultiAz": ("true", "database.multi_az", True),
    "databaseBackupDays": ("35", "database.backup_days", 35),
    "databaseFinalSnapshot": ("before-2027", "database.final_snapshot", "before-2027"),
    "databaseMonitoringInterval": ("15", "database.monitoring_interval", 15),
    "databaseInsights": ("true", "database.insights", True),
    "databaseIamAuth": ("true", "database.iam_auth", True),
    "databaseLogs": ("true", "database.logs", True),
    "appVariables": ('{"GREETING": "hello"}', "service.variables", {"GREETING": "hello"}),
    "appSecrets": (json.dumps({"API_KEY": SECRET}), "service.secrets", {"API_KEY": SECRET}),
    "appConnections": ("6", "service.connections", 6),
    "healthCommand": ("true", "service.health_command", "true"),
    "deployCommand": (
        "flask db \"say 'hello'\"",
        "service.deploy_command",
        ("flask", "db", "say 'hello'"),
    ),
    "cpuArchitecture": ("ARM64", "image.architecture service.architecture", "ARM64"),
    "imagesKept": ("30", "image.kept", 30),
    "imageRevision": ("2026-11", "image.revision", "2026-11"),
    "containerPort": ("8080", "service.port", 8080),
    "taskCpu": ("1024", "service.cpu", 1024),
    "taskMemory": ("3072", "service.memory", 3072),
    "desiredCount": ("4", "service.desired_count", 4),
    "minCount": ("2", "service.scaling.minimum", 2),
    "maxCount": ("9", "service.scaling.maximum", 9),
    "scaleCpuTarget": ("70", "service.scaling.cpu", 70),
    "scaleRequestsPerTarget": ("500", "service.scaling.requests", 500),
    "schedule": (
        "mon-sat 07:30-22:05",
        "service.scaling.hours",
        Hours(text="mon-sat 07:30-22:05", days="MON-SAT", start=time(7, 30), stop=time(22, 5)),
    ),
    "scheduleTimeZone": ("Europe/Berlin", "service.scaling.time_zone", "Europe/Berlin"),
    "rolloutTimeoutMinutes": ("40", "rollout_minutes", 40),
    "shiftPercent": ("20", "service.deployment.percent", 20),
    "shiftMinutes": ("1", "service.deployment.minutes", 1),
    "bakeMinutes": ("3", "service.deployment.bake", 3),
    "fargateSpot": ("true", "service.spot", True),
    "execEnabled": ("true", "service.exec_enabled", True),
    "containerInsights": ("true", "service.insights", True),
    "logRetentionDays": ("365", "service.log_days database.log_days logs.days", 365),
    "healthPath": ("/live?x=1", "health.path", "/live?x=1"),
    "healthMatcher": ("200-299", "health.matcher", "200-299"),
    "smokePath": ("/shop", "health.smoke_path", "/shop"),
    "smokeMatcher": ("200-299,401", "health.smoke_matcher", "200-299,401"),
    "smokeRequests": ("3", "health.smoke_requests", 3),
    "healthInterval": ("20", "health.interval", 20),
    "healthTimeout": ("7", "health.timeout", 7),
    "healthyThreshold": ("4", "health.healthy", 4),
    "unhealthyThreshold": ("6", "health.unhealthy", 6),
    "healthGracePeriod": ("90", "service.grace_period", 90),
    "deregistrationDelay": ("0", "health.deregistration_delay", 0),
    "flowLogs": ("true", "logs.flow", True),
    "accessLogs": ("true", "logs.access", True),
    "alarmsEnabled": ("false", "monitoring.alarms", False),
    "bastionEnabled": ("true", "bastion_enabled", True),
    "alarmEmail": ("team@example.com", "monitoring.email", "team@example.com"),
    "deployErrorPercent": ("25", "monitoring.error_percent", 25),
    "deployLatencySeconds": ("2", "monitoring.latency", 2),
    "dashboardEnabled": ("false", "monitoring.dashboard", False),
    "domainName": ("app.example.com", "https.domain", "app.example.com"),
    "hostedZoneId": ("Z0123456789ABC", "https.zone_id", "Z0123456789ABC"),
    "previewHours": ("24", "preview_hours", 24),
}
"""For each key a text, the fields of the record that it changes, and their value."""


def flat(record, path=""):
    """Return the fields of a record, and of the records in it, by their paths."""
    found = {}
    for field in (each for each in fields(record) if each.compare):
        value = getattr(record, field.name)
        if is_dataclass(value) and not isinstance(value, Hours):
            found |= flat(value, f"{path}{field.name}.")
        else:
            found[path + field.name] = value
    return found


def test_every_key_reaches_the_record(configured):
    loaded = configured(**{key: text for key, (text, _, _) in EVERY.items()})
    changed = {path: value for _, paths, value in EVERY.values() for path in paths.split()}
    assert flat(loaded) == flat(configured()) | changed
    elsewhere = {"appFolder", "appDockerfile", "appTarget", "certificateArn", "deployStrategy"}
    assert elsewhere == {key.name for key in KEYS} - {*EVERY}


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
                f"{key}: {name} is set by the stack; make the app read it (docs/your-app.md), "
                "or choose another name"
            )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("appVariables", "A=b", "it is not a map of names to values; set one entry at a time: `pu"),
        ("appVariables", {"two words": "b"}, "'two words' is not a variable name"),
        ("appVariables", {"1ST": "b"}, "'1ST' is not a variable name"),
        ("appVariables", {"LIST": ["b"]}, "LIST has a list or a map as its value"),
        ("appSecrets", {"KEY": "hunter2"}, "KEY has a value of 7 characters, which is not the c"),
        (
            "appSecrets",
            {"A": ARN, "SALT": f"{ARN}:salt"},
            "SALT has a value of 85 characters, which is ",
        ),
    ],
)
def test_a_map_that_cannot_be_used_is_refused_with_the_rule(configured, key, value, words):
    assert problem(configured, **{key: value}).startswith(f"{key}: {words}")


def test_what_may_be_a_secret_is_not_repeated(configured):
    for text in ("hunter2", "postgresql://me:hunter2@${DB_HOST}"):
        assert "hunter2" not in problem(configured, appSecrets={"KEY": text})


IN_PLAIN_TEXT = (
    "has ${DB_PASSWORD}, and the task definition shows variables in plain text; set a variable that is the password "
    "alone by `pulumi config set --plaintext --path appSecrets.URL '${DB_PASSWORD}'`; leave the password out of a URL, "
    "where the app uses libpq, and set it by `pulumi config set --plaintext --path appSecrets.PGPASSWORD "
    "'${DB_PASSWORD}'` (docs/your-app.md)"
)
KNOWN = (
    "the stack does not know; it knows APP_VERSION, DB_HOST, DB_NAME, DB_POOL_SIZE, DB_PORT, DB_SECRET_ARN, DB_USER, "
    "KEEP_ALIVE_SECONDS, PORT, WEB_CONCURRENCY"
)


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("appVariables", "postgresql://me:${DB_PASSWORD}@${DB_HOST}/x", IN_PLAIN_TEXT),
        ("appVariables", "${DB_HOTS}:5432", f"has ${{DB_HOTS}}, which {KNOWN}; $${{DB_HOTS}} is the "
         "text ${DB_HOTS} itself; did you mean DB_HOST?"),
        ("appVariables", "${}", f"has ${{}}, which {KNOWN}; $${{}} is the text ${{}} itself"),
        ("appSecrets", "${DB_USER}", "has a placeholder, and of the stack's values appSecrets takes ${DB_PASSWORD} "
         "alone, as the whole value; set others in appVariables"),
    ],
)  # fmt: skip
def test_a_value_of_the_stack_that_cannot_be_named_is_refused(configured, key, text, words):
    assert problem(configured, **{key: {"URL": text}}) == f"{key}: URL {words}"


def test_the_database_s_password_is_a_secret_that_the_account_s_secrets_do_not_hold(configured):
    service = configured(
        appSecrets=json.dumps({"PGPASSWORD": "${DB_PASSWORD}", "KEY": ARN})
    ).service
    assert (service.passwords, service.secrets) == (("PGPASSWORD",), {"KEY": ARN})


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
    with pytest.raises(
        StackError, match=r"apps/mine/docker/web does not exist; set .* appDockerfile"
    ):
        configured(appFolder="apps/mine", appDockerfile="docker/web")


@pytest.mark.parametrize("name", ["../Dockerfile", "/srv/Dockerfile", ".hidden", "a/../b"])
def test_the_dockerfile_is_below_the_app_s_folder(configured, name):
    with pytest.raises(StackError, match=r"appDockerfile: .* is not a file below the app's folder"):
        configured(appDockerfile=name)


def test_a_stage_is_one_of_the_dockerfile_s(configured, checkout):
    file = checkout / "webapp" / "Dockerfile"
    file.write_text("ARG BASE\nfrom --platform=x ${BASE} as Base\nFROM base AS production\n")
    assert configured(appTarget="production").image.target == "production"
    assert configured(appTarget="base").image.target == "base"  # Docker does not mind the case
    for target, text, names in (
        ("prod", None, "Base, production"),
        ("prod", "FROM python\n", "no stage with a name"),
    ):
        file.write_text(text or file.read_text())
        with pytest.raises(StackError) as refused:
            configured(appTarget=target)
        assert f"appTarget: webapp/Dockerfile has no stage {target}; it has {names}" in str(
            refused.value
        )


def test_a_dockerignore_that_docker_would_read_and_the_tag_would_not_is_refused(
    configured, checkout
):
    folder = checkout / "webapp"
    (folder / "Dockerfile.prod").write_text("FROM python\n")
    (folder / "Dockerfile.prod.dockerignore").write_text("*.log\n")
    with pytest.raises(
        StackError, match=r"appDockerfile: Dockerfile.prod.dockerignore is not read; write it as we"
    ):
        configured(appDockerfile="Dockerfile.prod")
