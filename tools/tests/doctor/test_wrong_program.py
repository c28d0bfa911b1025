"""A task definition that names another database, secret or resource, and a stack that runs another app than ours."""

import json
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from stack import sizes
from stack.image import APP_CONNECTIONS
from tools.diagnosis.log_lines import raised
from tools.doctor.checks import databases
from tools.doctor.diagnose import judge
from tools.preflight.checklist import BAD, GOOD, tick
from tools.snapshot import browser, page
from tools.snapshot.records import Part
from tools.snapshot.task_inputs import Role, Secret
from tools.tests import stacks as a
from tools.tests.doctor.situations import (
    FAILED_WITH,
    OTHER_SECRET,
    SITUATIONS,
    causes,
    crashed,
    env,
    findings,
    kinds,
    never_started,
)
from webapp.db import SPARE_CONNECTIONS
from webapp.settings import VARIABLES, Settings, SettingsError


def foreign(**changes):
    """A stack whose task definition names another team's secret for DB_PASSWORD."""
    return a.stack(
        main=a.definition(secrets={"DB_PASSWORD": f"{OTHER_SECRET}:password::"}), **changes
    )


def grants(snapshot):
    return [
        command
        for each in judge(snapshot).findings
        for fix in each.fixes
        for command in fix.commands
        if "put-role-policy" in command
    ]


def test_another_secret_is_told_with_where_the_program_is_wrong_and_what_is_right():
    first = judge(SITUATIONS["database-secret"]).findings[0]
    assert [str(each) for each in first.seen] == [
        f"{name} is {OTHER_SECRET} in careapp-poc:7; RDS keeps the password in {a.SECRET}."
        for name in ("DB_PASSWORD", "DB_SECRET_ARN")
    ]
    assert str(first.fixes[0].text) == (
        f"Set DB_PASSWORD={a.SECRET}:password::, DB_SECRET_ARN={a.SECRET} "
        "in infra/container.py, and deploy:"
    )
    assert first.fixes[0].commands == ("pulumi up -s poc",)


def test_the_app_s_own_name_of_the_password_follows_the_database_s_secret():
    declared = a.choices(appFolder="apps/mine", appSecrets='{"PGPASSWORD": "${DB_PASSWORD}"}')
    old = dict.fromkeys(("DB_PASSWORD", "PGPASSWORD"), f"{OTHER_SECRET}:password::")
    first, *others = findings(a.stack(declared, main=a.definition(secrets=old)))
    assert (first.id, [str(each)[:10] for each in first.seen]) == (
        "database-secret",
        ["DB_PASSWOR", "PGPASSWORD"],
    )
    assert f"PGPASSWORD={a.SECRET}:password::" in str(first.fixes[0].text)
    assert not [each for each in others if "secret" in each.id]


@pytest.mark.parametrize(
    "known",
    [
        {OTHER_SECRET: Secret(arn=OTHER_SECRET)},
        {OTHER_SECRET: None},
        {OTHER_SECRET: Secret(arn=OTHER_SECRET, keys=frozenset({"pin"}))},
    ],
    ids=["readable", "missing", "without the key"],
)
def test_whatever_is_wrong_with_another_secret_it_is_named_as_another_alone(known):
    bare = Role(arn="arn:role/x", trust=a.TRUST, policies=(a.policy(a.TOKEN, a.PULL, a.WRITE),))
    snapshot = foreign(secrets=known, execution=bare)
    assert [each.id for each in findings(snapshot)] == ["database-secret"]
    assert grants(snapshot) == []


def test_the_password_that_the_database_refuses_is_a_consequence_of_another_secret():
    refused = 'FATAL: password authentication failed for user "postgres"'
    assert kinds(foreign(logs=a.logs(a=[a.LISTENS, refused]))) == [
        ("database-secret", "cause"),
        ("app-wrong-password", "consequence"),
    ]
    denied = never_started("ResourceInitializationError: unable to pull secrets: AccessDenied",
                           main=foreign().newest.value)  # fmt: skip
    assert causes(denied) == ["database-secret"]
    assert causes(replace(denied, service=Part(a.going("FAILED")))) == ["database-secret"]


def test_a_secret_is_the_same_by_an_arn_without_its_random_end():
    found = findings(a.stack(main=env(DB_SECRET_ARN=a.SECRET[:-7])))
    assert "database-secret" not in [each.id for each in found]


@pytest.mark.parametrize(
    ("change", "resource"),
    [
        (
            {"secrets": {"DB_PASSWORD": f"{a.SECRET}:password::", "KEY": OTHER_SECRET}},
            OTHER_SECRET,
        ),
        (
            {"image": a.IMAGE.replace("careapp/hello-ecs", "team-b/app")},
            a.ECR_ARN.replace("careapp/hello-ecs", "team-b/app"),
        ),
    ],
    ids=["a secret", "a repository"],
)
def test_rights_to_what_the_stack_does_not_own_are_never_proposed(change, resource):
    snapshot = a.stack(main=a.definition(**change))
    [first] = judge(snapshot).causes
    assert grants(snapshot) == []
    assert str(first.fixes[0].text).startswith(f"{resource} does not belong to this stack")


def test_what_is_the_stack_s_own_is_granted_and_the_rest_is_named():
    bare = Role(arn="arn:role/x", trust=a.TRUST, policies=(a.policy(a.TOKEN, a.PULL, a.WRITE),))
    both = {"DB_PASSWORD": f"{a.SECRET}:password::", "KEY": OTHER_SECRET}
    snapshot = a.stack(main=a.definition(secrets=both), execution=bare)
    [grant] = grants(snapshot)
    assert a.SECRET in grant
    assert OTHER_SECRET not in grant
    assert OTHER_SECRET in str(judge(snapshot).causes[0].fixes[1].text)


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("DB_HOST", "other.example", a.HOST),
        ("DB_PORT", "5433", "5432"),
        ("DB_NAME", "other", "careapp"),
        ("DB_USER", "root", "postgres"),
    ],
)
def test_a_wrong_variable_is_corrected_in_the_program_and_not_deployed_again(name, wrong, right):
    first = judge(a.stack(main=env(**{name: wrong}))).findings[0]
    program, otherwise = first.fixes
    assert str(program.text) == (
        f"Set {name}={right} in infra/container.py (environment), and deploy:"
    )
    assert program.commands == ("pulumi up -s poc",)
    assert otherwise.commands == ("pulumi up --refresh -s poc",)


def test_where_the_program_has_just_named_it_only_what_rds_may_change_is_refreshed():
    def fixes(**variables):
        return judge(replace(a.stack(main=env(**variables)), by_program=True)).findings[0].fixes

    assert len(fixes(DB_NAME="other")) == 1
    assert len(fixes(DB_PORT="5433")) == 2


def test_a_task_for_another_processor_than_the_stack_file_s_is_corrected_in_the_program():
    snapshot = a.stack(main=a.definition(architecture="ARM64"))
    program, otherwise = judge(snapshot).causes[0].fixes
    assert str(program.text).startswith("In infra/task.py, set the stack file's cpuArchitecture")
    assert program.commands == ("pulumi up -s poc",)
    assert otherwise.commands == ("pulumi up --refresh -s poc",)
    assert judge(replace(snapshot, by_program=True)).causes[0].fixes == (program,)


def test_a_task_definition_without_an_execution_role_is_corrected_and_not_tried_again():
    main = a.definition(execution_role="")
    program, otherwise = judge(a.stack(main=main, execution=None)).causes[0].fixes
    assert "execution_role_arn=roles.execution_arn" in str(program.text)
    assert program.commands == ("pulumi up -s poc",)
    assert otherwise.commands == ("pulumi up --refresh -s poc",)


def test_a_variable_that_the_app_demands_is_missed_and_its_like_is_named():
    first = judge(SITUATIONS["database-variables"]).findings[0]
    assert str(first.title) == "The task definition does not set DB_HOST"
    assert str(first.seen[0]) == "careapp-poc:7 sets DB_HOSTNAME; the app reads DB_HOST."
    assert findings(a.stack(main=env(DB_HOST=None))) == (), "an app that runs needs none"


def test_the_demanded_variables_and_the_pool_are_the_app_s():
    with pytest.raises(SettingsError) as refused:
        Settings.load({})
    names = {each.partition(" ")[0] for each in refused.value.problems}
    assert names == {*databases.DEMANDED, "DB_PASSWORD"}
    assert sizes.SPARE_CONNECTIONS == SPARE_CONNECTIONS
    assert VARIABLES["db_pool_size"][2] == APP_CONNECTIONS.default


def test_preflight_says_what_the_task_definition_names_wrongly():
    def ticks(snapshot):
        return {str(each.text): each.state for each in tick(snapshot).items}

    line = "The task definition names this database, its secret, and every variable that the app requires"
    assert ticks(a.stack())[line] == GOOD
    assert ticks(foreign())[line] == BAD
    assert ticks(a.stack(main=env(DB_NAME="other")))[line] == BAD


ARN = f"arn:aws:secretsmanager:{a.REGION}:{a.ACCOUNT}:secret:team-b/key-GhIjKl"
OWN = a.definition(secrets={"DB_PASSWORD": f"{a.SECRET}:password::", "API_KEY": f"{ARN}:key::"})
MAY_READ = a.role(a.TOKEN, a.PULL, a.WRITE, a.READ, a.allow(ARN, "secretsmanager:GetSecretValue"))
LACKING = {**a.HEALTHY["secrets"], ARN: None}
NO_KEY = "ResourceInitializationError: unable to pull secrets: did not contain json key key"
NO_FOLDER = "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/srv']"
REFUSED = 'FATAL: password authentication failed for user "postgres"'
UP = "pulumi up -s poc"


def settings(variables=None, secrets=None, **values):
    maps = {"appVariables": json.dumps(variables or {}), "appSecrets": json.dumps(secrets or {})}
    return a.choices(appFolder="apps/mine", **maps, **values)


WITH_KEY = settings(secrets={"API_KEY": f"{ARN}:key::"})


def health_check(code, path, **changes):
    """The load balancer's check of a path ends with a code."""
    return a.unhealthy(
        f"{FAILED_WITH}: [{code}]",
        settings=settings(healthPath=path),
        group=a.target_group(path=path, matcher="200"),
        **changes,
    )


PAGES = "Make the app answer {} with 200, or set healthPath to a page that does, and deploy:"
FIRST_FIXES = {
    "a secret that is not there": (
        a.stack(WITH_KEY, main=OWN, secrets=LACKING, execution=MAY_READ),
        ("secret-missing", "Set appSecrets.API_KEY to an existing secret, and deploy:"),
        [UP],
    ),
    "a key that the secret lacks": (
        a.failing(a.ended(NO_KEY, stop="TaskFailedToStart"),
                  settings=WITH_KEY, main=OWN, execution=MAY_READ),
        ("secret-key-missing", "Set appSecrets.API_KEY to the secret's ARN, or to the ARN and a key "
         "that the secret has, ARN:KEY::, and deploy:"),
        [UP],
    ),
    "a variable that leads to loopback": (
        a.unhealthy("Health checks failed", main=env(HOST="127.0.0.1"),
                    settings=settings({"HOST": "127.0.0.1"}),
                    lines=["Listening at: http://127.0.0.1:3000 (7)"]),
        ("wrong-address", "Remove HOST from appVariables, and deploy:"),
        ["pulumi config rm --path appVariables.HOST -s poc", UP],
    ),
    "no folder for temporary files": (
        crashed(NO_FOLDER, settings=settings()),
        ("crash-no-temporary-folder", "Add VOLUME /tmp to the Dockerfile and deploy."),
        [UP],
    ),
    "no page at the usual path": (
        health_check(404, "/health"), ("health-path-missing", PAGES.format("/health")), [UP],
    ),
    "no page at the declared path": (
        health_check(404, "/up"), ("health-path-missing", PAGES.format("/up")), [UP],
    ),
}  # fmt: skip


def first(snapshot):
    found = findings(snapshot)[0]
    return found.id, str(found.fixes[0].text), found.fixes[0].commands


@pytest.mark.parametrize("name", FIRST_FIXES)
def test_what_is_wrong_with_another_app_is_corrected_where_it_was_set(name):
    snapshot, (id_, text), commands = FIRST_FIXES[name]
    assert first(snapshot) == (id_, text, tuple(commands))


FIRST_COMMANDS = {
    "turns TLS off": (
        a.stack(settings({"DB_SSLMODE": "disable"}), main=env(DB_SSLMODE="disable")),
        ("database-wants-tls", "pulumi config set --path appVariables.DB_SSLMODE verify-full -s poc"),
    ),
    "another good status": (
        health_check(204, "/up"), ("health-matcher", "pulumi config set healthMatcher 204 -s poc"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIRST_COMMANDS)
def test_a_setting_that_is_wrong_is_set_right_first(name):
    snapshot, expected = FIRST_COMMANDS[name]
    id_, _, commands = first(snapshot)
    assert ((id_, commands[0]), commands[-1]) == (expected, UP)


def test_before_stage_2_the_app_s_secrets_are_looked_for_as_the_database_s_is():
    declared = settings(secrets={"API_KEY": f"{ARN}:key::"}, ecsEnabled="false")
    found = findings(a.stage1(declared, secrets=LACKING))[0]
    assert (found.id, str(found.title)) == (
        "secret-missing",
        "The secret for API_KEY does not exist",
    )


def test_the_execution_role_may_be_given_what_app_secrets_names():
    id_, text, commands = first(a.stack(WITH_KEY, main=OWN))
    assert (id_, text) == ("execution-role-cannot-secret", "Allow it:")
    assert ARN in commands[0]


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("/app/webapp/pages.py", "webapp/pages.py"),
        ("/app/flaskr/__init__.py", "/app/flaskr/__init__.py"),
        ("/srv/app.py", "/srv/app.py"),
    ],
)
def test_a_file_of_another_app_is_named_as_in_its_image(file, named):
    trace = ["Traceback:", f'  File "{file}", line 7, in home', "KeyError: 'x'"]
    assert raised(trace).file == named


def test_a_variable_that_the_app_misses_is_set_by_app_variables():
    snapshot = crashed("KeyError: 'GREETING'", settings=settings())
    assert "`pulumi config set --path appVariables.GREETING VALUE`" in first(snapshot)[1]


def test_another_image_s_certificates_are_spoken_of_in_general():
    line = "connection failed: SSL error: certificate verify failed"
    old = a.database(authority="rds-ca-rsa2048-g1")
    id_, text, _ = first(a.stack(settings(), logs=a.logs(a=[line]), database=old))
    assert (id_, "webapp" in text) == ("database-authority", False)


def test_a_page_that_answers_takes_back_what_another_app_s_log_says_of_the_database():
    logs = a.logs(a=[REFUSED])
    assert findings(a.stack(settings(), logs=logs)) == ()
    found = findings(a.stack(settings(), logs=logs, page=a.page(500)))
    assert found[0].id == "app-wrong-password"


def test_the_database_s_health_is_asked_of_the_app_in_webapp_alone(monkeypatch):
    asked = []
    answer = browser.Answer(status=200, ended_at="http://app.example/")
    monkeypatch.setattr(browser.Browser, "get", lambda _, url, __: asked.append(url) or answer)
    for declared in (a.choices(), settings()):
        page.page(a.balancer(), declared)
    assert [urlsplit(each).path for each in asked] == ["/", "/health/db", "/"]


def test_a_health_check_that_asks_the_database_is_seen_in_another_app_by_its_own_path():
    found = findings(health_check(500, "/up", database=a.database(status="stopped")))[0]
    assert found.id == "health-needs-database"
    assert "does not need the database" not in str(found.why)


def test_what_only_the_app_in_webapp_demands_is_not_asked_of_another_one():
    main = a.definition(environment={"PORT": "3000"})
    found = findings(crashed(main=main, settings=settings()))
    assert "database-variables" not in [each.id for each in found]


def test_how_many_connections_another_app_opens_is_not_claimed():
    logs = a.logs(a=["FATAL: sorry, too many clients already"])
    found = findings(a.stack(settings(), logs=logs, page=a.page(500)))[0]
    assert found.id == "app-too-many-connections"
    assert str(found.why).startswith("max_connections are open")
    assert not [each for each in found.seen if "opens" in str(each)]


def test_preflight_ticks_nothing_of_an_image_that_it_does_not_know():
    def listed(snapshot):
        texts = (str(each.text) for each in tick(snapshot).items)
        return [each for each in texts if "bundle" in each]

    assert len(listed(a.stack())) == 1
    assert listed(a.stack(settings())) == []
