"""A stack that runs another app than the one in webapp/: what the doctor points at, and its own secrets."""

import json

from ops.diagnosis.log_lines import raised
from ops.preflight.checklist import tick
from ops.snapshot import page
from tests.ops import stacks as a
from tests.ops.situations import CRASHED, EXITED, findings

ARN = f"arn:aws:secretsmanager:{a.REGION}:{a.ACCOUNT}:secret:team-b/key-GhIjKl"
OWN = a.definition(secrets={"DB_PASSWORD": f"{a.SECRET}:password::", "API_KEY": f"{ARN}:key::"})


def settings(variables=None, secrets=None, **values):
    maps = {"appVariables": json.dumps(variables or {}), "appSecrets": json.dumps(secrets or {})}
    return a.choices(appFolder="apps/mine", **maps, **values)


def first(snapshot):
    found = findings(snapshot)[0]
    return found.id, str(found.fixes[0].text), found.fixes[0].commands


def test_a_secret_of_the_app_that_is_not_there_is_named_by_its_setting():
    declared = settings(secrets={"API_KEY": f"{ARN}:key::"})
    known = {**a.HEALTHY["secrets"], ARN: None}
    role = a.role(a.TOKEN, a.PULL, a.WRITE, a.READ, a.allow(ARN, "secretsmanager:GetSecretValue"))
    assert first(a.stack(declared, main=OWN, secrets=known, execution=role)) == (
        "secret-missing",
        "Set appSecrets.API_KEY to an existing secret, and deploy:",
        ("pulumi up -s poc",),
    )


def test_before_stage_2_the_app_s_secrets_are_looked_for_as_the_database_s_is():
    declared = settings(secrets={"API_KEY": f"{ARN}:key::"}, ecsEnabled="false")
    found = findings(a.stage1(declared, secrets={**a.HEALTHY["secrets"], ARN: None}))[0]
    assert (found.id, str(found.title)) == (
        "secret-missing",
        "The secret for API_KEY does not exist",
    )


def test_a_key_that_the_app_s_secret_lacks_is_corrected_in_the_setting():
    declared = settings(secrets={"API_KEY": f"{ARN}:key::"})
    why = "ResourceInitializationError: unable to pull secrets: did not contain json key key"
    role = a.role(a.TOKEN, a.PULL, a.WRITE, a.READ, a.allow(ARN, "secretsmanager:GetSecretValue"))
    found = a.failing(
        a.ended(why, stop="TaskFailedToStart"), settings=declared, main=OWN, execution=role
    )
    assert first(found)[:2] == (
        "secret-key-missing",
        "Let appSecrets.API_KEY end with a key that the secret has, :KEY::, or with its ARN, and deploy:",
    )


def test_the_execution_role_may_be_given_what_app_secrets_names():
    declared = settings(secrets={"API_KEY": f"{ARN}:key::"})
    id_, text, commands = first(a.stack(declared, main=OWN))
    assert (id_, text) == ("execution-role-cannot-secret", "Allow it:")
    assert ARN in commands[0]


def test_a_file_of_another_app_is_named_as_in_its_image():
    def found(file):
        return raised(["Traceback:", f'  File "{file}", line 7, in home', "KeyError: 'x'"]).file

    assert found("/app/webapp/pages.py") == "webapp/pages.py"
    assert found("/app/flaskr/__init__.py") == "/app/flaskr/__init__.py"
    assert found("/srv/app.py") == "/srv/app.py"


def test_a_variable_that_the_app_misses_is_set_by_app_variables():
    lines = ["KeyError: 'GREETING'"]
    snapshot = a.failing(
        a.ended(CRASHED, code=1, stop=EXITED), settings=settings(), logs=a.logs(b=lines)
    )
    assert "`pulumi config set --path appVariables.GREETING VALUE`" in first(snapshot)[1]


def test_another_image_s_certificates_are_spoken_of_in_general():
    line = "connection failed: SSL error: certificate verify failed"
    snapshot = a.stack(settings(), logs=a.logs(a=[line]),
                       database=a.database(authority="rds-ca-rsa2048-g1"))  # fmt: skip
    id_, text, _ = first(snapshot)
    assert (id_, "webapp" in text) == ("database-authority", False)


def test_a_variable_that_turns_tls_off_is_set_right_where_it_was_set():
    main = a.definition(environment={**a.definition().environment, "DB_SSLMODE": "disable"})
    id_, _, commands = first(a.stack(settings({"DB_SSLMODE": "disable"}), main=main))
    assert (id_, commands[0]) == (
        "database-wants-tls",
        "pulumi config set --path appVariables.DB_SSLMODE verify-full -s poc",
    )


def test_a_variable_that_leads_to_loopback_is_taken_out_where_it_was_set():
    main = a.definition(environment={**a.definition().environment, "HOST": "127.0.0.1"})
    snapshot = a.unhealthy("Health checks failed", main=main, settings=settings({"HOST": "127.0.0.1"}),
                      lines=["Listening at: http://127.0.0.1:3000 (7)"])  # fmt: skip
    assert first(snapshot) == (
        "wrong-address",
        "Remove HOST from appVariables, and deploy:",
        ("pulumi config rm --path appVariables.HOST -s poc", "pulumi up -s poc"),
    )


def test_a_health_command_that_fails_is_taken_out_where_it_was_set():
    failed = a.ended("Task failed container health checks", code=143)
    snapshot = a.failing(failed, settings=settings(healthCommand="curl localhost"))
    id_, _, commands = first(snapshot)
    assert (id_, commands) == (
        "container-check-failed",
        ("pulumi config rm healthCommand -s poc", "pulumi up -s poc"),
    )


def test_a_folder_for_temporary_files_is_declared_in_the_dockerfile():
    lines = ["FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/srv']"]
    snapshot = a.failing(
        a.ended(CRASHED, code=1, stop=EXITED), settings=settings(), logs=a.logs(b=lines)
    )
    assert first(snapshot)[:2] == (
        "crash-no-temporary-folder",
        "Add VOLUME /tmp to the Dockerfile and deploy.",
    )


def test_a_page_that_answers_takes_back_what_another_app_s_log_says_of_the_database():
    logs = a.logs(a=['FATAL: password authentication failed for user "postgres"'])
    assert findings(a.stack(settings(), logs=logs)) == ()
    found = findings(a.stack(settings(), logs=logs, page=a.page(500)))
    assert found[0].id == "app-wrong-password"


def test_the_database_s_health_is_asked_of_the_app_in_webapp_alone(monkeypatch):
    asked = []
    endpoint = page.Endpoint("127.0.0.1", 80, "name", 80, None)
    monkeypatch.setattr(page, "_endpoint", lambda *_: endpoint)
    monkeypatch.setattr(page, "_get", lambda _, path, __: asked.append(path) or (200, ""))
    for declared in (a.choices(), settings()):
        page.page(a.balancer(), declared)
    assert asked == ["/", "/health/db", "/"]


def unhealthy_check(code, declared, **changes):
    path = declared.health.path
    group = a.target_group(path=path, matcher="200")
    words = f"Health checks failed with these codes: [{code}]"
    return a.unhealthy(words, settings=declared, group=group, **changes)


def test_a_page_that_another_app_lacks_is_not_asked_for_by_the_name_of_ours():
    for path in ("/health", "/up"):
        id_, text, commands = first(unhealthy_check(404, settings(healthPath=path)))
        assert (id_, commands) == ("health-path-missing", ("pulumi up -s poc",))
        assert text == (
            f"Let the app answer 200 on {path}, or let healthPath name a page that does, and deploy:"
        )


def test_a_health_check_that_asks_the_database_is_seen_in_another_app_by_its_own_path():
    snapshot = unhealthy_check(
        500, settings(healthPath="/up"), database=a.database(status="stopped")
    )
    found = findings(snapshot)[0]
    assert found.id == "health-needs-database"
    assert "does not need the database" not in str(found.why)


def test_another_app_s_good_status_is_taken_as_healthy():
    id_, _, commands = first(unhealthy_check(204, settings(healthPath="/up")))
    assert (id_, commands[0]) == ("health-matcher", "pulumi config set healthMatcher 204 -s poc")


def test_what_only_the_app_in_webapp_demands_is_not_asked_of_another_one():
    main = a.definition(environment={"PORT": "3000"})
    snapshot = a.failing(a.ended(CRASHED, code=1, stop=EXITED), main=main, settings=settings())
    assert "database-variables" not in [each.id for each in findings(snapshot)]


def test_how_many_connections_another_app_opens_is_not_claimed():
    logs = a.logs(a=["FATAL: sorry, too many clients already"])
    found = findings(a.stack(settings(), logs=logs, page=a.page(500)))[0]
    assert found.id == "app-too-many-connections"
    assert str(found.why).startswith("max_connections are open")
    assert not [each for each in found.seen if "opens" in str(each)]


def test_preflight_ticks_nothing_of_an_image_that_it_does_not_know():
    def listed(snapshot):
        return [
            each for each in map(str, (i.text for i in tick(snapshot).items)) if "bundle" in each
        ]

    assert len(listed(a.stack())) == 1
    assert listed(a.stack(settings())) == []
