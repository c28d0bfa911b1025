"""What ops counts of Fargate's vCPUs in a cloud where tasks run."""

from __future__ import annotations

from typing import Any

import pytest

from ops.aws import Session
from ops.snapshot import others
from ops.snapshot.surroundings import Quota
from rehearsal.aws import quotas
from stack.names import StackNames

OTHER = StackNames.of("poc")


class Own(StackNames):
    """The names of the stack that the fixture declares."""

    cluster, service = "main", "web"


class Namesake(StackNames):
    """A service of the same name in another cluster."""

    cluster, service = "another", "web"


OWN, NAMESAKE = Own.of("poc"), Namesake.of("poc")


@pytest.fixture
def session(running: Any, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
    quotas.install()
    return Session("ap-northeast-1")


def test_tasks_of_other_services_count_and_the_service_s_own_do_not(session: Session) -> None:
    assert others.quota(session, OTHER, spot=False) == Quota(limit=6.0, elsewhere=0.25)
    assert others.quota(session, OWN, spot=False) == Quota(limit=6.0, elsewhere=0)
    assert others.quota(session, NAMESAKE, spot=False).elsewhere == 0.25


def test_spot_has_a_quota_of_its_own(session: Session) -> None:
    assert others.quota(session, OTHER, spot=True) == Quota(
        limit=6.0, elsewhere=0, code="L-36FBB829"
    )
