"""A task survives the rotation of the database's password without a restart."""

import secrets

import pytest
from flask import Flask

from tests.webapp.conftest import MakeApp, Serve
from tests.webapp.postgres import Postgres
from tests.webapp.serving import Watch
from tests.webapp.vault import Vault
from tests.webapp.waiting import eventually
from webapp import credentials
from webapp.credentials import Login, SecretsManager

BACK = 5.0  # seconds


def status(app: Flask, path: str) -> int:
    return app.test_client().get(path).status_code


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ARNs that were asked for, in their order."""
    asked: list[str] = []

    class Counted(SecretsManager):
        def __call__(self) -> Login:
            asked.append(self.arn)
            return super().__call__()

    monkeypatch.setattr(credentials, "SecretsManager", Counted)
    return asked


def test_the_secret_alone_is_enough(
    make_app: MakeApp, postgres: Postgres, vault: Vault, lookups: list[str]
) -> None:
    arn = vault.store_login(postgres.password)
    app = make_app(DB_PASSWORD="", DB_SECRET_ARN=arn)
    eventually(lambda: status(app, "/") == 200, BACK, "the page")
    assert lookups == [arn]


def test_after_a_rotation_one_look_up_serves_all_new_connections(
    make_app: MakeApp, postgres: Postgres, vault: Vault, lookups: list[str]
) -> None:
    arn = vault.store_login(postgres.password)
    app = make_app(DB_SECRET_ARN=arn)
    eventually(lambda: status(app, "/") == 200, BACK, "the page")
    postgres.set_password(secrets.token_hex(8))
    vault.rotate(arn, postgres.password)
    assert status(app, "/") == 200
    assert lookups == []
    postgres.hang_up()
    eventually(lambda: status(app, "/") == 200, BACK, "the page")
    assert status(app, "/health/db") == 200
    assert lookups == [arn]
    postgres.hang_up()
    eventually(lambda: status(app, "/") == 200, BACK, "the page")
    assert lookups == [arn]


def test_a_secret_that_lags_behind_the_database_is_asked_for_again(
    make_app: MakeApp, postgres: Postgres, vault: Vault, lookups: list[str]
) -> None:
    arn = vault.store_login(postgres.password)
    app = make_app(DB_SECRET_ARN=arn)
    eventually(lambda: status(app, "/") == 200, BACK, "the page")
    postgres.set_password(secrets.token_hex(8))
    postgres.hang_up()
    eventually(lambda: status(app, "/") == 503, BACK, "the page without database")
    eventually(lambda: len(lookups) >= 2, BACK, "two look-ups")
    vault.rotate(arn, postgres.password)
    eventually(lambda: status(app, "/") == 200, BACK, "the page")


def test_a_wrong_password_without_a_secret_is_reported_and_not_shown(
    make_app: MakeApp, postgres: Postgres, capfd: pytest.CaptureFixture[str]
) -> None:
    assert postgres.password
    app = make_app(DB_PASSWORD="canary-77d1", LOG_LEVEL="debug")
    out = ""

    def reported() -> bool:
        nonlocal out
        out += capfd.readouterr().out
        return 'password authentication failed for user \\"postgres\\"' in out

    eventually(reported, BACK, "the log line")
    assert status(app, "/") == 503
    assert "canary" not in out + capfd.readouterr().out


def works(pages: Watch) -> bool:
    return [answer.status for answer in pages.answers[-20:]] == [200] * 20


def test_a_server_s_password_is_rotated_under_load_without_a_restart(
    serve: Serve, postgres: Postgres, vault: Vault
) -> None:
    arn = vault.store_login(postgres.password)
    server = serve(DB_SECRET_ARN=arn, LOG_LEVEL="debug", **vault.variables)
    server.wait_for("/", 200)
    old = postgres.password
    with Watch(server, "/") as pages, Watch(server, "/health") as health:
        eventually(lambda: len(pages.answers) > 10, 10)
        new = f"new-{secrets.token_hex(8)}"
        # The secret first: between the two a new connection would be refused with any password.
        vault.rotate(arn, new)
        postgres.set_password(new)
        postgres.hang_up()
        seen = len(pages.answers)
        eventually(lambda: len(pages.answers) > seen + 30 and works(pages), 20, "pages")
    # A statement that the hang-up interrupts is lost; all others have waited for a new connection.
    assert pages.statuses() <= {200, 503}
    assert pages.errors == []
    assert (health.statuses(), health.errors) == ({200}, [])
    text = server.text()
    assert text.count("took the database login from Secrets Manager") == 1
    for secret in (old, postgres.password):
        assert secret not in text
        assert secret.replace("\\", "\\\\").replace('"', '\\"') not in text
