"""Asks AWS how one service's roll-out stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from ops.aws import AwsProblem
from ops.rollout_view import View, Wanted, read, short

UNDONE = ("ROLLBACK", "STOP")
"""How the status of a service deployment begins that ECS or a person has given up (botocore)."""
AT_ONCE = 100
"""Tasks that one DescribeTasks takes (botocore, DescribeTasks)."""


class Asks(Protocol):
    """The part of `ops.aws.Session` that a look needs."""

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]: ...

    def pages(self, service: str, operation: str, **params: Any) -> Iterator[Any]: ...


def look(session: Asks, wanted: Wanted) -> View | None:
    """Ask AWS once; None when there is no such service, or no more. Raises AwsProblem."""
    try:
        answer = session.call(
            "ecs", "describe_services", cluster=wanted.cluster, services=[wanted.service]
        )
    except AwsProblem as problem:
        if problem.kind == "missing":  # the cluster, too
            return None
        raise
    if not answer["services"]:
        return None
    [service] = answer["services"]
    if service["status"] != "ACTIVE":
        return None
    view = read(service, _tasks(session, wanted), _targets(session, wanted))
    mine = view.of(wanted.definition)
    if mine is None or not mine.primary or mine.rollout != "COMPLETED":
        return view
    service = {"cluster": wanted.cluster, "service": wanted.service}
    return replace(view, undone=undone(session, service, wanted.definition))


def undone(session: Asks, service: Mapping[str, str], definition: str) -> str:
    """Why the service's newest deployment was given up, if it was, and was one of that revision.

    DescribeServices does not tell: after a rollback to a service that differs in, say, its subnets
    alone it shows a completed deployment of that same revision. Raises AwsProblem.
    """
    rows = list(_service_deployments(session, service))
    if not rows:
        return ""  # ECS keeps none from before October 2024
    newest = max(rows, key=lambda each: each["createdAt"])
    if not newest["status"].startswith(UNDONE):
        return ""
    revision = [newest["targetServiceRevisionArn"]]
    answer = session.call("ecs", "describe_service_revisions", serviceRevisionArns=revision)
    if any(each["taskDefinition"] != definition for each in answer["serviceRevisions"]):
        return ""
    return str(newest.get("statusReason") or newest["status"])


def _service_deployments(session: Asks, service: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    asked = dict(service)
    while True:
        page = session.call("ecs", "list_service_deployments", **asked)
        yield from page["serviceDeployments"]
        if not page.get("nextToken"):
            return
        asked["nextToken"] = page["nextToken"]


def is_deregistered(session: Asks, definition: str) -> bool:
    """Whether a revision is INACTIVE: ECS remembers it, but deploys it no more (ECS API, UpdateService)."""
    try:
        answer = session.call("ecs", "describe_task_definition", taskDefinition=definition)
    except AwsProblem as problem:
        if problem.kind == "missing":
            return True
        raise
    return bool(answer["taskDefinition"]["status"] != "ACTIVE")


def _tasks(session: Asks, wanted: Wanted) -> list[Mapping[str, Any]]:
    pages = session.pages(
        "ecs", "list_tasks", cluster=wanted.cluster, serviceName=short(wanted.service)
    )
    arns = [arn for page in pages for arn in page["taskArns"]]
    found: list[Mapping[str, Any]] = []
    for start in range(0, len(arns), AT_ONCE):
        some = arns[start : start + AT_ONCE]
        answer = session.call("ecs", "describe_tasks", cluster=wanted.cluster, tasks=some)
        found += answer["tasks"]
    return found


def _targets(session: Asks, wanted: Wanted) -> list[Mapping[str, Any]]:
    answer = session.call("elbv2", "describe_target_health", TargetGroupArn=wanted.target_group)
    return list(answer["TargetHealthDescriptions"])
