"""The app's environment: its variables, the task metadata and the RDS certificates."""

import dataclasses
import datetime
import hashlib
import io
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.webapp.serving import eventually
from webapp.settings import RDS_BUNDLE, Settings, SettingsError
from webapp.task import Task

COMPLETE = {
    "DB_HOST": "careapp-poc.abc.ap-northeast-1.rds.amazonaws.com",
    "DB_NAME": "careapp",
    "DB_USER": "postgres",
    "DB_PASSWORD": "s3cret",
}
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ)
    return caught.value.problems


TABLES = yaml.safe_load(Path(__file__).with_name("variables.yaml").read_text())
EVERY, SHOWN, HIDDEN = (TABLES[key] for key in ("every", "shown", "hidden"))


def taken(environ: dict[str, str]) -> dict[str, Any]:
    return dataclasses.asdict(Settings.load(environ))


def test_what_a_task_must_be_told_is_enough():
    assert taken(COMPLETE) == TABLES["defaults"] | {"db_sslrootcert": RDS_BUNDLE}


NAMES = st.sampled_from([*EVERY, "DB_SSLROOTCERT", "DB_PASSWORD"])


def test_every_variable_is_taken():
    found = taken(
        {name: text for name, (text, _, _) in EVERY.items()} | {"DB_SSLROOTCERT": __file__}
    )
    fields = {field: value for _, field, value in EVERY.values()}
    assert found == fields | {"db_sslrootcert": Path(__file__), "db_password": None}


@pytest.mark.parametrize("variable", [*SHOWN, *HIDDEN], ids=ascii)
def test_what_is_malformed_is_named_with_its_rule_and_shown_where_it_is_no_secret(variable):
    name, value = variable.split("=")
    if variable in SHOWN:
        told = f"{name} is {value!a}, which is not {SHOWN[variable]}"
    else:
        told = f"{name} is not {HIDDEN[variable]}: its {len(value)} characters are not shown"
    assert problems(COMPLETE | {name: value}) == [told]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # ECS puts a secret's whole JSON where valueFrom names no key of it.
        ("DB_SECRET_ARN", '{"username":"careapp","password":"canary"}'),
        ("DB_USER", '{"username":"careapp","password":"canary","padding":"xxxxxxxxxxxxx"}'),
        ("DB_HOST", "postgresql://careapp:canary@db.example.com:5432/careapp"),
        ("DB_HOST", "canary!"),
        ("DB_PORT", "canary8x"),
        ("DB_SSLMODE", "canary"),
        ("DB_SSLROOTCERT", "canary"),
    ],
)
def test_a_secret_in_the_wrong_variable_is_refused_and_not_shown(name, value):
    with pytest.raises(SettingsError) as caught:
        Settings.load(COMPLETE | {name: value})
    assert "canary" not in f"{caught.value} {caught.value!r}"


@given(st.dictionaries(NAMES, VALUES))
def test_any_environment_is_either_taken_or_refused_in_one_printable_line(environ):
    try:
        settings = Settings.load(environ)
    except SettingsError as refused:
        assert refused.problems  # noqa: PT017
        assert all(problem.isprintable() for problem in refused.problems)  # noqa: PT017
    else:
        assert settings.db_password or settings.db_secret_arn


@given(VALUES)
def test_the_password_is_taken_as_it_is_and_never_shown(password):
    assume(len(password) > 3)
    settings = Settings.load(COMPLETE | {"DB_PASSWORD": password})
    assert settings.db_password == password
    without: Any = Settings.load(COMPLETE | {"DB_PASSWORD": "another"})
    assert repr(settings) == repr(without)


TASK_ARN = "arn:aws:ecs:ap-northeast-1:123456789012:task/careapp-poc-cluster/0123abcd"


def test_task_s_id_is_the_end_of_its_arn_and_asked_for_again_after_a_failure(monkeypatch):
    """Outside ECS, and until it is known, it is the host's name."""
    asked = []

    def opened(url, timeout):
        asked.append(url)
        if len(asked) == 1:
            raise OSError
        return io.BytesIO(json.dumps({"TaskARN": TASK_ARN}).encode())

    monkeypatch.setattr(urllib.request, "urlopen", opened)
    host = os.uname().nodename
    for uri, identity in ((None, host), ("http://h/v4/abc", "0123abcd")):
        task = Task(uri)
        assert task.id == host
        task.start()
        eventually(lambda: task.id == identity, 3, "the task's id")  # noqa: B023
    assert asked == ["http://h/v4/abc/task"] * 2


SHA256 = "7dbb082bbe632b8a25b598fd194ce5ff96e46c09a40bf8c606dc803884e3cb5d"
CERTIFICATES = x509.load_pem_x509_certificates(RDS_BUNDLE.read_bytes())


@pytest.mark.parametrize(
    "file",
    [
        "webapp/certs/rds-ca.pem",
        "docs/examples/flaskr/rds.pem",
        "packages/careapp/careapp/project/template/app/rds-ca.pem",
    ],
)
def test_the_file_is_the_one_that_was_reviewed(file):
    content = (RDS_BUNDLE.parents[2] / file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256


def test_none_expires_within_a_year():
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=365)
    assert [each.subject for each in CERTIFICATES if each.not_valid_after_utc < soon] == []
