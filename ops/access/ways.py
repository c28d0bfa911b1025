"""Finds what the tunnel can go through: the bastion, or a task of the service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from i18n import Refused, Text, t
from ops.aws import Session
from ops.snapshot import compute, looked
from ops.snapshot.records import Service
from stack.names import CONTAINER, StackNames

BASTION, TASK = "bastion", "task"
AGENT = "ExecuteCommandAgent"


@dataclass(frozen=True, kw_only=True)
class Way:
    """Something inside the VPC that Session Manager reaches. ``target`` is its name for it."""

    target: str
    text: Text
    vpc: str
    groups: tuple[str, ...]
    subnets: tuple[str, ...]


def find(session: Session, names: StackNames, via: str = "") -> Way:
    """The bastion where there is one, else a task; ``via`` insists. Raises Refused and AwsProblem."""
    problems: list[Text] = []
    for kind, look in ((BASTION, _bastion), (TASK, _task)):
        if via in ("", kind):
            found = look(session, names)
            if isinstance(found, Way):
                return found
            problems.append(found)
    raise Refused(_no_way(problems, names))


def _no_way(problems: list[Text], names: StackNames) -> Text:
    why = problems[0]
    if len(problems) > 1:
        why = t("{first}, and {second}", first=problems[0], second=problems[1])
    return t(
        "There is no way to the database: {why}. `pulumi config set bastionEnabled true -s {stack}` "
        "(or execEnabled, once ECS runs) and `pulumi up -s {stack}` make one.",
        why=why,
        stack=names.stack,
    )


def _bastion(session: Session, names: StackNames) -> Way | Text:
    name = f"{names.prefix}-bastion"
    filters = [
        {"Name": "tag:Name", "Values": [name]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    found = [
        each
        for reservation in session.all("ec2", "describe_instances", "Reservations", Filters=filters)
        for each in reservation["Instances"]
    ]
    if not found:
        return t("no instance {name} runs", name=name)
    raw = found[0]
    return Way(
        target=raw["InstanceId"],
        text=t("bastion {id}", id=raw["InstanceId"]),
        vpc=raw["VpcId"],
        groups=tuple(each["GroupId"] for each in raw["SecurityGroups"]),
        subnets=(raw["SubnetId"],),
    )


def _task(session: Session, names: StackNames) -> Way | Text:
    part = looked(compute.service, session, names)
    if part.problem:
        raise part.problem
    if part.value is None:
        return t("ECS is off")
    tasks = list(_running(session, names))
    if not tasks:
        return t("no task runs")
    for task in tasks:
        if runtime := _reachable(task):
            return _through(session, names, part.value, task, runtime)
    if any(each.get("enableExecuteCommand") for each in tasks):
        return t("no task's {agent} runs yet", agent=AGENT)
    return t("the tasks run without execEnabled")


def _running(session: Session, names: StackNames) -> Iterator[dict[str, Any]]:
    arns = session.all(
        "ecs",
        "list_tasks",
        "taskArns",
        cluster=names.cluster,
        serviceName=names.service,
        desiredStatus="RUNNING",
    )[: compute.TASKS_AT_ONCE]
    if arns:
        found = session.call("ecs", "describe_tasks", cluster=names.cluster, tasks=arns)["tasks"]
        yield from (each for each in found if each["lastStatus"] == "RUNNING")


def _reachable(task: dict[str, Any]) -> str | None:
    """The app container's runtime id, if ECS Exec's agent runs in it."""
    for container in task["containers"]:
        agents = {
            each["name"]: each.get("lastStatus") for each in container.get("managedAgents", ())
        }
        if container["name"] == CONTAINER and agents.get(AGENT) == "RUNNING":
            return str(container["runtimeId"])
    return None


def _through(
    session: Session, names: StackNames, service: Service, task: dict[str, Any], runtime: str
) -> Way:
    id_ = task["taskArn"].rpartition("/")[2]
    subnets = session.call("ec2", "describe_subnets", SubnetIds=list(service.subnets))["Subnets"]
    return Way(
        target=f"ecs:{names.cluster}_{id_}_{runtime}",
        text=t("task {id}", id=id_[:8]),
        vpc=subnets[0]["VpcId"],
        groups=service.groups,
        subnets=service.subnets,
    )
