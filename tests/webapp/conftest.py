"""A PostgreSQL for all tests, and apps that use it."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from careapp.settings.load_balancer import KEEP_ALIVE_SECONDS
from local_cloud.machine.authority import Authority
from tests.webapp.dependencies import HOST, Postgres, Vault, open_vault, running
from tests.webapp.serving import Server, eventually, serving
from webapp import create_app, db
from webapp.settings import Settings

MakeApp = Callable[..., Flask]
Serve = Callable[..., Server]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def cluster(authority: Authority) -> Iterator[Postgres]:
    with running(authority) as server:
        yield server


def variables_for(server: Postgres, authority: Authority) -> dict[str, str]:
    """A task's variables. The name of the database leads to loopback, as libpq is told."""
    return {
        "DB_HOST": HOST,
        "DB_PORT": str(server.port),
        "DB_NAME": "careapp",
        "DB_USER": "postgres",
        "DB_PASSWORD": server.password,
        "DB_SSLROOTCERT": str(authority.path),
        "APP_VERSION": "1.2.3",
        "KEEP_ALIVE_SECONDS": str(KEEP_ALIVE_SECONDS),
        "PGHOSTADDR": server.address,
    }


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Undo afterwards what `logs.configure` does to this process."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    logging.captureWarnings(False)


@contextmanager
def making_apps(variables: dict[str, str]) -> Iterator[MakeApp]:
    """Makes apps, in this process, whose background work ends with the block."""
    with logging_as_it_was(), pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("PGHOSTADDR", variables["PGHOSTADDR"])

        def make(**changed: str) -> Flask:
            with pytest.MonkeyPatch.context() as own:
                # Not pytest's, which is closed before the app is.
                own.setattr(sys, "stdout", sys.__stdout__)
                app = create_app(Settings.load(variables | changed))
            stack.callback(db.of(app).close)
            return app

        yield make


@pytest.fixture
def postgres(cluster: Postgres) -> Iterator[Postgres]:
    """The server with an empty database; whatever a test does to it is undone."""
    cluster.empty()
    yield cluster
    cluster.heal()


@pytest.fixture
def variables(cluster: Postgres, authority: Authority) -> dict[str, str]:
    return variables_for(cluster, authority)


@pytest.fixture
def logging_restored() -> Iterator[None]:
    with logging_as_it_was():
        yield


@pytest.fixture
def make_app(variables: dict[str, str]) -> Iterator[MakeApp]:
    with making_apps(variables) as make:
        yield make


@pytest.fixture(scope="session")
def opened_vault() -> Iterator[Vault]:
    with open_vault() as vault:
        yield vault


@pytest.fixture
def vault(opened_vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """A Secrets Manager that boto3 talks to."""
    for name, value in opened_vault.variables.items():
        monkeypatch.setenv(name, value)
    return opened_vault


@pytest.fixture
def app(make_app: MakeApp, postgres: Postgres) -> Flask:
    """An app whose database is there and migrated."""
    made = make_app()
    client = made.test_client()
    eventually(lambda: client.get("/").status_code == 200, 5, "the page")
    return made


@pytest.fixture
def serve(variables: dict[str, str], tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, which end with the test."""
    with ExitStack() as stack:

        def start(
            *,
            wait: bool = True,
            without: tuple[str, ...] = (),
            options: tuple[str, ...] = (),
            **changed: str,
        ) -> Server:
            given = {k: v for k, v in (variables | changed).items() if k not in without}
            return stack.enter_context(serving(given, tmp_path, wait, options))

        yield start


@pytest.fixture(scope="module")
def shared_app(cluster: Postgres, authority: Authority) -> Iterator[Flask]:
    """One for all tests of a file: none of them may break the database."""
    cluster.empty()
    with making_apps(variables_for(cluster, authority)) as make:
        made = make()
        eventually(lambda: made.test_client().get("/").status_code == 200, 5, "the page")
        yield made


@pytest.fixture
def client(shared_app: Flask) -> FlaskClient:
    return shared_app.test_client()


@pytest.fixture
def texts(cluster: Postgres) -> Iterator[Postgres]:
    """The server of the shared app; texts that a test changed are put back."""
    yield cluster
    cluster.execute("UPDATE greetings SET greeting = 'Hello ECS' WHERE language = 'en'")
