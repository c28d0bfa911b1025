"""Commands that show text of the app mask the values of the stack's secrets, and read them at most once a minute."""

import base64
import json
import time
from dataclasses import replace
from unittest.mock import Mock
from urllib.parse import quote_plus

import pytest

from careapp.additions.target import target_of
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.checks.running import APP_RAISES
from ecs_gate.diagnosis.findings import Diagnosis, Finding
from ecs_gate.diagnosis.screen import as_dict, plain
from ecs_gate.doctor import mask_values
from ecs_gate.parts import stack_secrets
from ecs_gate.parts.stack_secrets import learn
from ecs_gate.text import t
from ecs_gate.text.masking import mask
from tests.conftest import NAMES, client

PASSWORD, NEXT = 'Zq7!x "w&31', "Rw4:bN8-next"
URL = "postgresql://app:u9K-pass@db1.example/careapp"
LINES = (
    f'password authentication failed for user "bob" (password "{PASSWORD}")',
    f"it stands alone {PASSWORD} here",
    f"sent {quote_plus(PASSWORD)} and {base64.b64encode(f'password={PASSWORD}'.encode()).decode()}",
    "as json " + json.dumps(PASSWORD),
    "of the URL u9K-pass",
    "port 3000 of 3000 is open",
)
MASKED = (
    'password authentication failed for user "bob" (password "***")',
    "it stands alone *** here",
    "sent *** and ******",
    'as json "***"',
    "of the URL ***",
    "port 3000 of 3000 is open",
)


@pytest.fixture
def stored(stack):
    """The stack with two secrets of the app, and a log that shows them."""
    secrets, ecs, logs = client("secretsmanager"), client("ecs"), client("logs")

    def put(password):
        text = json.dumps({"username": "postgres", "password": password})
        secrets.put_secret_value(SecretId=stack.secret, SecretString=text)

    put(PASSWORD)
    url = secrets.create_secret(Name=f"url-{time.time()}", SecretString=URL)["ARN"]
    known = ecs.describe_task_definition(taskDefinition=stack.definition)["taskDefinition"]
    [container] = known["containerDefinitions"]
    container["secrets"] = [
        {"name": "DB_PASSWORD", "valueFrom": f"{stack.secret}:password::"},
        {"name": "DATABASE_URL", "valueFrom": url},
    ]
    made = ecs.register_task_definition(
        family=NAMES.family, requiresCompatibilities=["FARGATE"], networkMode="awsvpc",
        cpu="256", memory="512", containerDefinitions=[container],
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    place = {"logGroupName": NAMES.log_group, "logStreamName": f"app/app/{time.time_ns()}"}
    logs.create_log_stream(**place)
    now = int(time.time() * 1000)
    events = [{"timestamp": now - 99 + at, "message": line} for at, line in enumerate(LINES)]
    logs.put_log_events(**place, logEvents=events)
    yield put
    logs.delete_log_stream(**place)
    ecs.deregister_task_definition(taskDefinition=made)


@pytest.fixture
def denied(calls):
    problem = AwsProblem("denied", t("No permission for x."), t("Allow x."), "AccessDenied")
    calls.answers["get_secret_value"] = problem


def reads(calls):
    return calls.of("get_secret_value")


def shown(out):
    return tuple(line.split(" ", 2)[2].split(" ", 1)[1] for line in out.splitlines())


def test_the_log_shows_no_value_in_any_encoding(stored, run, calls):
    code, out, said = run("logs", "-n", str(len(LINES)))
    assert (code, shown(out), said) == (0, MASKED, "")
    assert len(reads(calls)) == 2
    whole = run("logs", "--raw", "-n", str(len(LINES)))[1]
    assert shown(whole) == LINES
    assert len(reads(calls)) == 2


@pytest.mark.usefixtures("stored")
def test_events_mask_values(run):
    said = run("events", "--logs", "--json")[1]
    texts = [event["text"] for event in json.loads(said)["events"] if event["kind"] == "log"]
    assert tuple(texts[-len(LINES) :]) == MASKED


@pytest.mark.usefixtures("stored", "denied")
def test_a_log_without_values_is_masked_by_patterns_and_says_so(run):
    code, out, said = run("logs", "-n", str(len(LINES)))
    assert code == 0
    first, alone, *_ = shown(out)
    assert first.startswith(f'{MASKED[0][:-2]}"')
    assert alone == LINES[1]
    assert said == "No permission for x. Patterns alone mask its value.\n"
    assert run("logs", "--json", "-n", "1")[2] == "", "it was said"


def test_a_rotated_value_is_masked_after_a_minute(stored, session, monkeypatch, calls):
    clock = [100.0]
    monkeypatch.setattr(stack_secrets.time, "monotonic", lambda: clock[0])
    learn(session, NAMES)
    stored(NEXT)
    for clock[0] in (100.5, 130, 159):
        learn(session, NAMES)
    assert (mask(PASSWORD), mask(NEXT), len(reads(calls))) == ("***", NEXT, 2)
    for clock[0] in (160, 190, 219):
        learn(session, NAMES)
    assert (mask(PASSWORD), mask(NEXT), len(reads(calls))) == ("***", "***", 4)


def test_missing_credentials_are_not_said_twice(folder, run, monkeypatch):
    gone = AwsProblem("credentials", t("There are no credentials."), t("Log in."))
    for name in ("call", "pages"):
        monkeypatch.setattr(Session, name, Mock(side_effect=gone))
    assert run("events")[1:] == ("", "careapp: There are no credentials. Log in.\n")


def finding(**changes):
    made = Finding(APP_RAISES, title=t("the page"), why=t("why"), evidence=(LINES[1],))
    return replace(made, **changes)


def diagnosed(*findings):
    return Diagnosis(names="careapp-poc", stage=t("stage 2"), findings=findings, unread=())


def test_the_doctor_masks_values_in_evidence_and_sentences(stored, session, folder):
    settings = Settings.read("poc", folder)
    said = t("{words}", words=LINES[1])
    found = mask_values(diagnosed(finding(title=said, seen=(said,))), target_of(settings), session)
    for text in (plain(found), json.dumps(as_dict(found))):
        assert text.count(MASKED[1]) == 3
        assert PASSWORD not in text
    assert found.unread == ()


@pytest.mark.usefixtures("stored", "denied")
def test_the_doctor_says_which_value_it_could_not_read(session, folder):
    found = mask_values(diagnosed(finding()), target_of(Settings.read("poc", folder)), session)
    words = "the value of a secret: No permission for x. Patterns alone mask its value"
    assert words in plain(found)
    assert (found.incomplete, found.exit_code) == (False, 1)


def test_a_diagnosis_without_findings_asks_for_no_value(folder, session, calls):
    settings = Settings.read("poc", folder)
    for diagnosis in (diagnosed(), diagnosed(finding(kind="note", evidence=()))):
        assert mask_values(diagnosis, target_of(settings), session) is diagnosis
    assert calls == []


def test_the_secret_of_a_login_is_masked_too(stored, session):
    text = json.dumps({"id": "Client-Secret9"})
    made = client("secretsmanager").create_secret(Name=f"login-{time.time()}", SecretString=text)
    arn = made["ARN"]
    assert learn(session, NAMES, f"{arn}:id::", "") is None
    assert (mask("x Client-Secret9"), mask(PASSWORD)) == ("x ***", "***")


def test_a_parameter_is_masked_where_it_is_a_secure_string(session):
    ssm, path = client("ssm"), f"/keys/{time.time()}"
    for name, kind, value in (("key", "SecureString", "Pepper-9x"), ("page", "String", "Page-99x")):
        ssm.put_parameter(Name=f"{path}/{name}", Type=kind, Value=value)
    arn = ssm.get_parameter(Name=f"{path}/key")["Parameter"]["ARN"]
    assert learn(session, NAMES, arn, f"{path}/page") is None
    assert mask("x Pepper-9x of Page-99x") == "x *** of Page-99x"


def test_a_missing_secret_and_a_parameter_are_no_problem(session, stack):
    gone = stack.secret.replace("database", "another")
    assert learn(session, NAMES, gone, "arn:aws:ssm:ap-northeast-1:1:parameter/x") is None
