"""The container serves its page from a real PostgreSQL over TLS and does not log the password."""

from __future__ import annotations

import json

from tests.image.building import Image
from tests.image.conftest import Start
from tests.image.containers import run_once
from tests.image.surroundings import Database, Secrets

START_SECONDS = 30
ASK_SECRETS_MANAGER = """
import boto3, os, sys
client = boto3.client("secretsmanager", region_name=os.environ["AWS_REGION"])
print(client.get_secret_value(SecretId=sys.argv[1])["SecretString"])
"""


def test_the_page_is_served_from_a_database_that_refuses_plain_connections(
    start: Start, database: Database
) -> None:
    container = start(
        {**database.variables(), "DB_PASSWORD": database.password}, database.options()
    )
    container.wait_until_healthy(START_SECONDS)
    container.wait_for("/", 200)
    assert container.get("/health/db").status == 200


def test_the_bundle_in_the_image_does_not_vouch_for_another_authority_s_server(
    start: Start, database: Database
) -> None:
    given = {**database.variables(), "DB_PASSWORD": database.password}
    del given["DB_SSLROOTCERT"]
    container = start(given)
    container.wait_until_healthy(START_SECONDS)
    container.wait_for("/", 503)
    assert container.get("/health/db").status == 500
    assert "certificate verify failed" in container.logs()


def test_a_server_with_another_name_s_certificate_is_refused(
    start: Start, database: Database
) -> None:
    other = "careapp-prod.abc.ap-northeast-1.rds.amazonaws.com"
    given = {**database.variables(), "DB_PASSWORD": database.password, "DB_HOST": other}
    container = start(given, database.options())
    container.wait_until_healthy(START_SECONDS)
    container.wait_for("/", 503)
    assert f'does not match host name \\"{other}\\"' in container.logs()


def test_secrets_manager_answers_the_image_s_pruned_sdk(image: Image, secrets: Secrets) -> None:
    arn = secrets.store({"username": "postgres", "password": "s3cret"})
    command = ("python", "-c", ASK_SECRETS_MANAGER, arn)
    status, said = run_once(image.engine, image.tag, command, secrets.variables())
    assert (status, json.loads(said)) == (0, {"username": "postgres", "password": "s3cret"})


def test_without_a_password_it_asks_secrets_manager_with_its_task_role(
    start: Start, database: Database, secrets: Secrets
) -> None:
    arn = secrets.store({"username": "postgres", "password": database.password})
    given = {**database.variables(), **secrets.variables(), "DB_SECRET_ARN": arn}
    container = start(given, database.options())
    container.wait_until_healthy(START_SECONDS)
    container.wait_for("/", 200)


def test_the_password_is_in_no_line_of_the_log_whether_it_is_right_or_wrong(
    start: Start, database: Database
) -> None:
    for password in (database.password, "wrong-canary-77d1"):
        given = {**database.variables(), "DB_PASSWORD": password, "LOG_LEVEL": "debug"}
        container = start(given, database.options())
        container.wait_until_healthy(START_SECONDS)
        container.wait_for("/", 200 if password == database.password else 503)
        container.get("/health/db")
        assert container.stop() == 0
        assert container.logs() != ""
        assert password not in container.logs()
