"""The settings of a stack file that are accepted."""

import json
import re
from dataclasses import fields, is_dataclass

import pytest

from careapp.settings.app_resources import APP_RESOURCES
from careapp.settings.container import RESERVED
from careapp.settings.file import StackError, StackFile
from careapp.settings.image import LOCK_TIMEOUT
from careapp.settings.scaling import Hours
from careapp.settings.settings import KEYS, Settings
from ecs_gate.facts.clients import Allowed
from tests.documents.markdown import pages
from tests.documents.typed import typed
from tests.support.declared import with_another


def flat(record, path=""):
    """Return the fields of a record, and of the records in it, by their paths."""
    found = {}
    for field in (field for field in fields(record) if field.compare):
        value = getattr(record, field.name)
        if is_dataclass(value) and not isinstance(value, (Allowed, Hours)):
            found |= flat(value, f"{path}{field.name}.")
        else:
            found[path + field.name] = value
    return found


ELSEWHERE = (
    *("workers", "jobs", "rolloutTimeoutMinutes"),
    *(key.name for key in APP_RESOURCES),
)
"""Maps of records, test_settings_maps.py; a default that others decide, test_settings_refused.py; what the record
names when it is on, test_declared.py."""


def loaded(**ours):
    """Return the record of a stack file whose app's sources need not exist."""
    values = {f"careapp:{key}": text for key, text in ours.items()}
    values["aws:region"] = "ap-northeast-1"
    return flat(Settings.of(StackFile(project="careapp", stack="poc", values=values)))


def accepted(**ours):
    """Return the record, or that of the default where these alone are refused."""
    try:
        return loaded(**SCALED | ours)
    except StackError:
        return loaded(**SCALED)


SCALED = {"maxCount": "4"}
"""Without a range its bounds and targets have no effect."""


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key.name not in ELSEWHERE], ids=lambda key: key.name
)
def test_every_key_reaches_the_record_by_its_default_and_by_another_value(key):
    given = with_another(key.name, SCALED, lambda values: loaded(**SCALED | values))
    text = given.pop(key.name)
    before, after = accepted(**given), loaded(**SCALED | given | {key.name: text})
    changed = [path for path in after if after[path] != before[path]]
    had = SCALED.get(key.name, key.default)
    assert str(key.rule(had)) in [str(before[path]) for path in changed]
    assert str(key.rule(text)) in [str(after[path]) for path in changed]


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


def test_the_database_s_password_is_a_secret_that_the_account_s_secrets_do_not_hold(configured):
    service = configured(
        appSecrets=json.dumps({"PGPASSWORD": "${DB_PASSWORD}", "KEY": ARN})
    ).service
    assert (service.passwords, service.secrets) == (("PGPASSWORD",), {"KEY": ARN})


def test_a_deploy_command_is_as_long_as_ecs_allows(configured):
    options = f'"environment": [{{"name": "PGOPTIONS", "value": "{LOCK_TIMEOUT}"}}]'
    around = len(f'{{"containerOverrides": [{{"name": "app", "command": [""], {options}}}]}}')
    longest = "x" * (8192 - around)
    assert configured(deployCommand=longest).service.deploy_command == (longest,)
    with pytest.raises(
        StackError,
        match=r"deployCommand: the command takes 8193 characters .* ECS allows 8192; put",
    ):
        configured(deployCommand=f"{longest}x")
    assert configured(appCommand=f"{longest}x").service.command == (f"{longest}x",)


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


def test_settings_of_the_pulumi_commands_on_all_pages_are_settings():
    """Besides keys of other packages and placeholders."""
    commands = [words for page in pages() for words in typed(page, "pulumi") if len(words) > 2]
    keys = {
        next(word for word in words[2:] if not word.startswith("-")).partition(".")[0]
        for words in commands
        if words[0] == "config" and words[1] in ("set", "rm")
    }
    assert len(keys) > 20
    foreign = {
        key for key in keys if re.fullmatch(r"(?!careapp:)\w+:\w+|KEY|[A-Z]+|careapp:\w+", key)
    }
    assert keys - foreign - {key.name for key in KEYS} == set()
