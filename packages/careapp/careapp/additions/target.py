"""A stack's settings as the target of the gate and the doctor, and the session to read it with."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

from careapp.project.app import health_route
from careapp.settings.container import RESERVED
from careapp.settings.file import StackFile
from careapp.settings.image import APP_CONNECTIONS, APP_FOLDER
from careapp.settings.load_balancer import HEALTH_PATH, SMOKE_REQUESTS
from careapp.settings.names import (
    DEPLOY_COMMAND_TASK,
    RULE_PRIORITY,
    TEST_HEADER,
    TEST_RULE_PRIORITY,
)
from careapp.settings.settings import Settings
from careapp.settings.sizes import SPARE_CONNECTIONS
from ecs_gate.aws.session import Session
from ecs_gate.target import App, HealthCheck, Login, Names, Page, Plan, Target

T = TypeVar("T")
WEBAPP = App(
    health_path=HEALTH_PATH.default,
    database_path="/health/db",
    reconnects=True,
    tells_address=True,
    connections=int(APP_CONNECTIONS.default),
    spare_connections=SPARE_CONNECTIONS,
    folder=APP_FOLDER.default,
)
"""What is known of the app in webapp/."""


def session_of(given: Settings | StackFile) -> Session:
    """Return a session with the region and profile of a stack file."""
    return Session(given.region, given.profile)


def target_of(settings: Settings, url: str = "", others: Iterable[Names] = ()) -> Target:
    """Return a stack's target. ``url`` is the output ``pageUrl``; without one it is what the settings make of it."""
    return Target(
        names=settings.names,
        region=settings.region,
        profile=settings.profile,
        minutes=settings.rollout_minutes,
        page=_page(settings, url),
        login=_alike(Login, settings.login),
        check=None if settings.guessed else _alike(HealthCheck, settings.health),
        app=WEBAPP if settings.webapp else _app(settings),
        plan=_plan(settings),
        public_words=frozenset({settings.names.prefix, settings.project}),
        others=tuple(others),
    )


def _app(settings: Settings) -> App:
    """Return what the sources of another app say, where they are at hand."""
    found = health_route(Path(settings.image.folder), settings.health.path)
    return App(health_path=found)


def _alike(kind: type[T], settings: object, **others: Any) -> T:
    """Return a record with what the settings have under the same names, and others."""
    known = vars(settings)
    return kind(
        **{each.name: known[each.name] for each in fields(cast(Any, kind)) if each.name in known}
        | others
    )


def _page(settings: Settings, url: str) -> Page:
    return Page(
        path=settings.health.smoke_path,
        expects=settings.health.smoke_matcher,
        url=url,
        domain=settings.https.domain,
        https=settings.https.enabled,
        requests=SMOKE_REQUESTS,
        rule_priority=RULE_PRIORITY,
        test_header=TEST_HEADER,
        test_priority=TEST_RULE_PRIORITY,
        allowed=settings.allowed,
    )


def _plan(settings: Settings) -> Plan:
    service, sizes = settings.service, settings.sizes
    return _alike(
        Plan,
        service,
        tasks=service.desired_count,
        most_tasks=sizes.tasks,
        other_vcpus=sizes.other_vcpus,
        other_connections=sizes.other_connections,
        public=settings.network.nat == "none",
        made=RESERVED,
        command=service.deploy_command,
        command_started_by=DEPLOY_COMMAND_TASK if service.deploy_command else "",
    )
