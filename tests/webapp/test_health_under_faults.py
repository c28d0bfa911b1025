"""The load balancer's health check is answered at once, whatever the database does."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.webapp.conftest import Serve
from tests.webapp.postgres import Postgres
from tests.webapp.serving import Watch
from tests.webapp.waiting import eventually

LIMIT = 1.0  # seconds
BACK = 5.0
CROWD = 24  # requests at once; more than the server has threads


@contextmanager
def locked(postgres: Postgres) -> Iterator[None]:
    with postgres.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE greetings IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def silent(postgres: Postgres) -> Iterator[None]:
    postgres.signal(signal.SIGSTOP)
    yield
    postgres.signal(signal.SIGCONT)


@pytest.mark.parametrize("fault", [locked, silent])
def test_health_is_quick_while_a_crowd_waits_for_a_database_with_a_fault(
    serve: Serve, postgres: Postgres, fault: Callable[[Postgres], Iterator[None]]
) -> None:
    server = serve()
    server.wait_for("/", 200)
    with ThreadPoolExecutor(CROWD) as crowd, Watch(server, "/health") as health:
        with fault(postgres):  # type: ignore[attr-defined]
            asked = [crowd.submit(server.get, path, 20) for path in ("/", "/health/db") * CROWD]
            answers = [request.result() for request in asked]
        server.wait_for("/", 200, BACK)
    assert {answer.status for answer in answers[::2]} <= {200, 503}
    assert {answer.status for answer in answers[1::2]} <= {200, 500}
    assert max(answer.seconds for answer in answers) < 10
    assert (health.statuses(), health.errors) == ({200}, [])
    assert len(health.answers) > 20
    assert health.quantile(1) < LIMIT


def test_the_page_comes_back_by_itself_after_a_restart(serve: Serve, postgres: Postgres) -> None:
    server = serve()
    server.wait_for("/", 200)
    with Watch(server, "/health") as health:
        postgres.stop()
        server.wait_for("/health/db", 500, 3)
        assert server.get("/").status == 503
        postgres.start()
        assert server.wait_for("/", 200) < BACK
        assert server.wait_for("/health/db", 200) < BACK
    assert (health.statuses(), health.errors) == ({200}, [])
    eventually(lambda: server.messages().count("database connected") == 2, 2)
