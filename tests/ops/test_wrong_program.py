"""A task definition that names another database, secret or resource: where the program is wrong, and whose it is."""

from dataclasses import replace

import pytest

from ops.doctor.checks import databases
from ops.doctor.diagnose import judge
from ops.preflight.checklist import BAD, GOOD, tick
from ops.snapshot.records import Part
from ops.snapshot.task_inputs import Role, Secret
from stack import sizes
from stack.app import APP_CONNECTIONS
from tests.ops import stacks as a
from tests.ops.situations import (
    OTHER_SECRET,
    SITUATIONS,
    causes,
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

    line = "The task definition names this database, its secret, and all that the app demands"
    assert ticks(a.stack())[line] == GOOD
    assert ticks(foreign())[line] == BAD
    assert ticks(a.stack(main=env(DB_NAME="other")))[line] == BAD
