"""Why tasks crash, do not start or were given up, and what is no failure."""

import json
from dataclasses import replace

import pytest

from tools.doctor.diagnose import judge
from tools.snapshot.records import Part
from tools.snapshot.task_inputs import Secret
from tools.snapshot.task_logs import Line
from tools.tests import stacks as a
from tools.tests.doctor.situations import (
    CRASHED,
    EXITED,
    INIT,
    NO_ROUTE,
    PROXY,
    causes,
    crashed,
    findings,
    kinds,
    never_started,
    sidecar_exited,
    trace,
)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("ModuleNotFoundError: No module named 'flask'", "crash-module-missing"),
        ('{"message": "careapp cannot start: DB_HOST is missing"}', "crash-variable-missing"),
        ("KeyError: 'DB_HOST'", "crash-variable-missing"),
        ("Error: class uri 'asgii' invalid or not found: ", "crash-worker-class"),
        ("careapp cannot start: PORT is 'x', which is not a port", "crash-setting-wrong"),
        ("[Errno 98] Address already in use", "crash-address-in-use"),
        ("OSError: [Errno 30] Read-only file system: '/app/x'", "crash-read-only-root"),
        ("sqlite3.OperationalError: unable to open database file", "crash-sqlite"),
        ("(sqlite3.OperationalError) attempt to write a readonly database", "crash-sqlite"),
        ("PermissionError: [Errno 13] Permission denied: '/app/x'", "crash-permission"),
        ('FATAL:  password authentication failed for user "postgres"', "crash-wrong-password"),
        ('FATAL: no pg_hba.conf entry for host "10.0.16.4", no encryption', "crash-no-tls"),
        ('FATAL: no pg_hba.conf entry for host "10.0.16.4"', "crash-pg-hba"),
        ("SSL error: certificate verify failed", "crash-certificate"),
        ('FATAL: database "other" does not exist', "crash-database-unknown"),
        ('could not translate host name "db.nowhere" to address', "crash-host-unknown"),
        ("failed to resolve host 'db.nowhere': [Errno -2]", "crash-host-unknown"),
        ("FATAL: remaining connection slots are reserved", "crash-too-many-connections"),
        ("connection timeout expired", "crash-database-timeout"),
        ('connection to server at "x", port 5432 failed: Connection refused', "crash-database-refused"),
        ("Worker (pid:7) was sent SIGKILL! Perhaps out of memory?", "crash-worker-killed"),
        ("[CRITICAL] WORKER TIMEOUT (pid:7)", "crash-worker-timeout"),
    ],
)  # fmt: skip
def test_a_crash_is_explained_by_its_last_known_log_line(line, wanted):
    found = findings(crashed("starting", line, "Shutting down: Master"))[0]
    assert (found.id, found.kind) == (wanted, "cause")
    assert line in found.evidence


def test_an_exec_format_error_is_an_image_for_another_processor():
    wrong = crashed("exec /usr/bin/python: exec format error", code=255)
    assert causes(wrong) == ["image-architecture"]


def test_a_crash_after_a_roll_back_is_still_explained():
    assert kinds(crashed("KeyError: 'DB_HOST'", rolled_back=True)) == [
        ("crash-variable-missing", "cause"),
        ("rolled-back", "consequence"),
    ]


TRIPPED = "Service deployment rolled back because the circuit breaker threshold was exceeded."


def test_a_roll_back_to_the_same_revision_is_explained_by_the_tasks_that_it_gave_up():
    blind = a.ended(f"{INIT}timeout", stop="TaskFailedToStart", started_by="ecs-svc/9")
    undone = a.stack(tasks=(blind, a.task()), rollback_reason=TRIPPED)
    assert kinds(undone) == [("task-start-mended", "cause"), ("rolled-back", "consequence")]
    last = findings(undone)[-1]
    assert TRIPPED in last.evidence
    assert last.fixes[0].commands[-1] == "pulumi up --refresh -s poc"
    assert findings(replace(undone, rollback_reason=Part(""))) == ()


def test_a_new_version_that_crashes_is_told_while_the_old_one_serves_on():
    running = a.service(
        deployments=(
            a.deployment(rollout="IN_PROGRESS", running=0, failed=1),
            a.deployment(id="ecs-svc/1", status="ACTIVE", definition=a.OLD),
        )
    )
    old = a.task(definition=a.OLD, started_by="ecs-svc/1")
    new = a.ended(CRASHED, code=1, stop=EXITED)
    snapshot = a.stack(service=running, tasks=(new, old), logs=a.logs(b=["KeyError: 'DB_HOST'"]))
    assert findings(snapshot)[0].id == "crash-variable-missing"


TRACE = (
    "Traceback (most recent call last):",
    '  File "/usr/local/lib/python3.13/site-packages/gunicorn/util.py", line 473, in import_app',
    "    app = app(*args, **kwargs)",
    '  File "/app/webapp/application.py", line 7, in <module>',
    "    import pandas",
    '  File "<frozen importlib._bootstrap>", line 1',
    '  File "/usr/local/lib/python3.13/site-packages/numpy/__init__.py", line 1, in <module>',
    "    raise",
    "ModuleNotFoundError: No module named 'pandas'",
)


OWN = ('File "/app/webapp/application.py", line 7, in <module>', "import pandas")


@pytest.mark.parametrize(
    ("lines", "evidence"),
    [
        ((json.dumps({"message": "x", "traceback": "\n".join(TRACE)}), "bye"), OWN),
        ((*TRACE, *"abcdefgh"), (*OWN, TRACE[-1])),
        ((TRACE[0], TRACE[1], TRACE[2], TRACE[-1]), ()),
        (TRACE, ()),
    ],
    ids=["in one JSON line", "cut off by later lines", "of a library alone", "shown anyway"],
)
def test_a_crash_shows_the_app_s_own_line(lines, evidence):
    first = findings(crashed(*lines))[0]
    assert first.evidence == (*evidence, *lines[-8:])


SYNTAX = (
    "Traceback (most recent call last):",
    '  File "/app/webapp/application.py", line 14, in <module>',
    "    from webapp.pages import Pages",
    '  File "/app/webapp/pages.py", line 12',
    "    def home(self)",
    "                  ^",
    "SyntaxError: expected ':'",
)
IMPORTS = (
    *SYNTAX[:3],
    "ImportError: cannot import name 'Pages' from 'webapp.pages' (/app/webapp/pages.py)",
)
CHAINED = (
    *SYNTAX[:2],
    '  File "/opt/venv/lib/python3.13/site-packages/psycopg/connection.py", line 117, in connect',
    "    raise last_ex",
    'psycopg.errors.UndefinedColumn: column "x" does not exist',
    "LINE 1: SELECT x",
)


@pytest.mark.parametrize(
    ("trace", "title"),
    [
        (SYNTAX, "SyntaxError in webapp/pages.py, line 12: expected ':'"),
        (
            IMPORTS,
            "ImportError in webapp/application.py, line 14: cannot import name 'Pages' from "
            "'webapp.pages' (/app/webapp/pages.py)",
        ),
        (CHAINED, 'UndefinedColumn in webapp/application.py, line 14: column "x" does not exist'),
        ((*SYNTAX[:3], "AssertionError"), "AssertionError in webapp/application.py, line 14"),
    ],
    ids=["syntax", "import", "through a library", "without words"],
)
def test_an_exception_of_the_app_is_the_headline_with_its_file_as_in_the_image(trace, title):
    for lines in (trace, (json.dumps({"message": "x", "traceback": "\n".join(trace)}), "bye")):
        first = findings(crashed(*lines))[0]
        assert str(first.title) == title
        file, line = title.split(" in ")[1].split(":")[0].split(", line ")
        assert str(first.fixes[0].text) == f"Correct {file}, line {line}, and deploy:"


@pytest.mark.parametrize(
    ("error", "id_", "certain"),
    [
        ("TypeError: create() takes 0 arguments", "crash-by-program", True),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "crash", False),
        ("TimeoutError: the cache does not answer", "crash", False),
    ],
)
def test_only_an_error_of_the_program_itself_is_certain_to_come_again(error, id_, certain):
    first = findings(crashed(*trace(error)))[0]
    assert (first.id, first.facts.certain) == (id_, certain)


def test_a_missing_module_is_told_with_the_line_that_wants_it():
    first = findings(crashed(*TRACE))[0]
    assert first.id == "crash-module-missing"
    assert str(first.seen[-1]) == (
        "ModuleNotFoundError in webapp/application.py, line 7: No module named 'pandas'"
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (139, "SIGSEGV: a crash inside native code"),
        (143, "SIGTERM: it was asked to end"),
        (138, "signal 10"),
    ],
)
def test_a_signal_that_ended_the_container_is_named(code, words):
    [finding] = [each for each in findings(crashed("x", code=code)) if each.id == "crash"]
    assert str(finding.seen[0]).endswith(f"container app ended with exit code {code} ({words}).")


def test_a_reason_that_a_deeper_cause_explains_is_its_evidence_and_no_finding():
    reason = f"{INIT}There is a connection issue between the task and AWS Secrets Manager."
    found = findings(never_started(reason, network=a.network(NO_ROUTE)))
    assert [(each.id, each.evidence) for each in found if each.kind == "cause"] == [
        ("task-cannot-reach-aws", (reason,))
    ]


def test_a_secret_key_is_told_by_ecs_where_the_keys_cannot_be_seen():
    secret = Secret(arn=a.SECRET)
    reason = f"{INIT}retrieved secret from Secrets Manager did not contain json key password"
    found = findings(never_started(reason, secrets={a.SECRET: secret}))[0]
    assert (found.id, found.evidence) == ("secret-key-missing", (reason,))


def test_a_secret_that_is_marked_for_deletion_can_be_taken_back():
    gone = Secret(arn=a.SECRET, deleted=a.NOW)
    found = findings(a.stack(secrets={a.SECRET: gone}))[0]
    assert found.fixes[0].commands == (
        f"aws secretsmanager restore-secret --region ap-northeast-1 --secret-id '{a.SECRET}'",
    )


def test_old_failures_are_forgotten_once_the_service_is_steady():
    failed = a.ended(CRASHED, code=1, stop=EXITED)
    early = replace(failed, stopping=a.at(-510), stopped=a.at(-490))  # it drained meanwhile
    assert findings(a.stack(tasks=(a.task(), early))) == ()


def test_tasks_that_a_person_or_the_scheduler_ended_are_no_failures():
    scaled = a.ended("Scaling activity initiated by (deployment ecs-svc/2)")
    stopped = a.ended("bye", name="d" * 32, stop="UserInitiated")
    retired = a.ended(
        "Service web: ECS is performing maintenance on the underlying infrastructure hosting the task.",
        name="e" * 32,
    )
    assert findings(a.stack(tasks=(a.task(), scaled, stopped, retired))) == ()


def test_a_role_that_may_not_read_the_new_password_is_the_cause_once_the_app_was_refused_it():
    refused = (
        '{"message": "database away", "error": "cannot read arn: An error occurred '
        "(AccessDeniedException) when calling the GetSecretValue operation: User: arn:aws:sts::1:"
        "assumed-role/task/1 is not authorized to perform: secretsmanager:GetSecretValue on "
        'resource: arn because no identity-based policy allows it"}'
    )
    password = 'FATAL:  password authentication failed for user "postgres"'
    lines = a.logs(a=[a.LISTENS, refused, password])
    without = a.stack(task_role=a.role(a.TOKEN), logs=lines)
    assert kinds(without) == [
        ("task-role-cannot-read-secret", "cause"),
        ("app-wrong-password", "consequence"),
    ]
    first = findings(without)[0]
    assert refused in first.evidence
    assert "aws iam put-role-policy" in first.fixes[0].commands[0]
    assert not any(each.id.startswith("task-role") for each in findings(a.stack(logs=lines)))


TERM = "[INFO] Handling signal: term"


@pytest.mark.parametrize(
    ("sidecar", "app", "lines", "first"),
    [
        (1, 0, [TERM], "sidecar-exited"),
        (1, 137, [], "sidecar-exited"),
        (0, 0, [TERM], "sidecar-exited"),
        (143, 143, [TERM], "sidecar-exited"),
        (2, 1, [TERM], "sidecar-exited"),
        (0, 1, [], "crash"),
        (143, 3, [], "crash"),
        (0, 0, [], "crash"),
    ],
)
def test_the_container_that_exited_first_is_named(sidecar, app, lines, first):
    assert findings(sidecar_exited(sidecar, app, *lines))[0].id == first


def test_a_sidecar_is_named_with_the_command_that_shows_its_last_lines():
    found = findings(sidecar_exited(1, 0))[0]
    assert str(found.title) == "The container proxy exits, and ECS stops the app with it"
    assert str(found.seen[0]).endswith(
        "container proxy ended with exit code 1 (an uncaught error)."
    )
    assert found.fixes[0].commands == (
        "aws logs get-log-events --region ap-northeast-1 --log-group-name /ecs/proxy --log-stream-name "
        f"proxy/proxy/{'b' * 32} --limit 8 --query 'events[].[message]' --output text",
        "pulumi up -s poc",
    )


def test_a_sidecar_that_is_not_essential_stops_no_task():
    spare = replace(PROXY, essential=False)
    found = findings(sidecar_exited(1, 0, sidecar=spare))[0]
    assert (found.id, "container app ended" in str(found.seen[0])) == ("crash", True)


KILLED = "[ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?"


@pytest.mark.parametrize(
    "snapshot",
    [
        a.unhealthy("Request timed out", "Target.Timeout", [a.LISTENS, KILLED]),
        a.unhealthy("Health checks failed", lines=["Booting worker", KILLED]),
        a.failing(a.ended("Task failed container health checks", code=0),
                  logs=a.logs(b=[a.LISTENS, KILLED])),
    ],
    ids=["no answer in time", "no answer", "stopped by its own check"],
)  # fmt: skip
def test_a_worker_that_the_kernel_kills_is_out_of_memory_though_its_container_lives(snapshot):
    assert causes(snapshot) == ["out-of-memory"]
    found = findings(snapshot)[0]
    assert str(found.seen[1]).endswith("gunicorn reports 1 worker that was killed.")
    assert found.evidence == (KILLED,)
    assert found.fixes[0].commands[0] == "pulumi config set taskMemory 1024 -s poc"


def test_a_worker_that_gunicorn_itself_kills_for_its_time_is_not_out_of_memory():
    lines = [a.LISTENS, "[CRITICAL] WORKER TIMEOUT (pid:7)", KILLED]
    assert "out-of-memory" not in causes(a.unhealthy("Request timed out", lines=lines))


@pytest.mark.parametrize(
    ("deployed", "killed", "found"),
    [(-500, -559, []), (-500, -60, ["workers-die"]), (-9000, -3700, [])],
    ids=["before the service was steady", "since", "of more than an hour ago"],
)
def test_a_worker_that_was_killed_is_a_cause_of_a_steady_service_for_an_hour(
    deployed, killed, found
):
    service = a.service(deployments=(a.deployment(created=a.at(-9999), updated=a.at(deployed)),))
    lines = (Line(a.at(killed), KILLED),)
    logs = replace(a.logs(), lines={"a" * 32: lines})
    snapshot = a.stack(service=service, logs=logs)
    assert causes(snapshot) == found
    for each in judge(snapshot).causes:
        assert (each.facts.blocks, each.evidence) == (False, (KILLED,))
        assert "docs/repair.md" in str(each.fixes[0].text)


def test_a_misspelt_worker_class_is_in_the_title():
    """As gunicorn 27 says it."""
    lines = (
        "Error: class uri 'asgii' invalid or not found: ",
        "[Traceback (most recent call last):",
        '  File "/opt/venv/lib/python3.13/site-packages/gunicorn/util.py", line 119, in load_class',
        "ImportError: Entry point ('gunicorn.workers', 'asgii') not found",
        "]",
    )
    first = findings(crashed(*lines))[0]
    assert str(first.title) == "gunicorn has no worker class asgii"
    assert "gunicorn.conf.py" in str(first.fixes[0].text)
