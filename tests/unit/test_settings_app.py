"""The app's own settings: its folder, variables, secrets and health command."""

import json

import pytest

from infra.container import ContainerInputs, container_definition
from stack.app import RESERVED
from stack.file import StackError

ARN = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:careapp-poc/key-AbCdEf"
AROUND = ContainerInputs(
    image="i", version="v", db_host="h", db_port=5432, db_name="n", db_user="u",
    db_secret_arn="arn:secret", log_group="/ecs/careapp-poc", region="ap-northeast-1",
)  # fmt: skip


def problem(load, **changes):
    """The one problem, without its key."""
    with pytest.raises(StackError) as refused:
        load(**{key: json.dumps(value) for key, value in changes.items()})
    [line] = str(refused.value).splitlines()[1:-1]
    return line.strip()


def test_a_container_gets_the_app_s_variables_and_secrets_beside_the_stack_s(configured):
    service = configured(
        appVariables='{"GREETING": "hello", "DEBUG": false, "SIZE": 3}',
        appSecrets=json.dumps({"API_KEY": ARN, "SALT": f"{ARN}:salt::"}),
    ).service
    made = container_definition(AROUND, service)
    variables = {each["name"]: each["value"] for each in made["environment"]}
    assert variables.items() >= {"GREETING": "hello", "DEBUG": "false", "SIZE": "3"}.items()
    assert variables["PORT"] == "3000"
    assert made["secrets"] == [
        {"name": "API_KEY", "valueFrom": ARN},
        {"name": "DB_PASSWORD", "valueFrom": "arn:secret:password::"},
        {"name": "SALT", "valueFrom": f"{ARN}:salt::"},
    ]


def test_ecs_asks_inside_the_container_only_what_the_stack_file_says(configured):
    assert "healthCheck" not in container_definition(AROUND, configured().service)
    made = container_definition(
        AROUND, configured(healthCommand="wget -q localhost:3000/up").service
    )
    assert made["healthCheck"] == {
        "command": ["CMD-SHELL", "wget -q localhost:3000/up"],
        "interval": 15,
        "timeout": 5,
        "retries": 3,
        "startPeriod": 30,
    }


def test_every_variable_that_the_stack_sets_is_refused_to_the_app(configured):
    made = container_definition(AROUND, configured().service)
    assert {each["name"] for each in (*made["environment"], *made["secrets"])} == RESERVED
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
