"""Answers of DescribeServices, DescribeTasks and DescribeTargetHealth, in botocore's shapes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from careapp.settings.names import StackNames
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.diagnosis.catalogue import PAGE
from ecs_gate.parts import ecs, elb
from ecs_gate.parts.rollout import Rollout
from ecs_gate.rollout.judge import asks, judge_rollout
from ecs_gate.rollout.look import Answer, Expected, Look
from ecs_gate.rollout.verdict import History, Patience, Terms, Verdict
from tests.conftest import Answering

ARN = "arn:aws:ecs:ap-northeast-1:123456789012"
OLD, NEW, NEWER = (f"{ARN}:task-definition/careapp-poc:{number}" for number in (6, 7, 8))
EXPECTED = Expected(
    names=StackNames("poc", "careapp"),
    definition=NEW,
    target_group="arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:targetgroup/careapp-poc-tg/1",
)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
REASONS = {
    "COMPLETED": "ECS deployment ecs-svc/1 completed.",
    "IN_PROGRESS": "ECS deployment ecs-svc/1 in progress.",
    "FAILED": "ECS deployment circuit breaker: tasks failed to start.",
}
ROLLING_BACK = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
NO_SERVICE = Rollout(expected=NEW, name=EXPECTED.names.service)
PATIENCE = Patience(limit=900, settle=15)


def judged(
    *looks: Rollout,
    every: float = 3.0,
    noticed: float | None = None,
    answer: Any = None,
    patience: Patience = PATIENCE,
    page_worked: bool = False,
    **known: Any,
) -> list[Verdict]:
    """One verdict a look, the looks `every` seconds apart; `answer` is asked where the gate asks something."""
    terms = Terms(patience=patience, **known)
    history, given = History(passed=page_worked), []
    for number, look in enumerate(looks):
        seen = Look(view=look, at=number * every, noticed=noticed)
        if answer and (question := asks(seen, history, terms)):
            seen = replace(seen, answer=answer(question, seen.view))
        verdict, history = judge_rollout(seen, history, terms)
        if verdict.go_on:
            history = replace(history, answered=history.answered | {verdict.go_on.id})
        given.append(verdict)
    return given


def told(diagnosis: Any) -> Answer:
    """What the doctor says, or the page with what he says of it."""
    findings = getattr(diagnosis, "findings", ())
    return Answer(diagnosis=diagnosis, works=all(each.facts.subject != PAGE for each in findings))


def deployment(definition: str, rollout: str, *, primary: bool = True, **changes: Any) -> Any:
    made = {
        "id": "ecs-svc/1", "status": "PRIMARY" if primary else "ACTIVE", "taskDefinition": definition,
        "desiredCount": 2, "runningCount": 2, "pendingCount": 0, "failedTasks": 0,
        "rolloutState": rollout, "rolloutStateReason": REASONS[rollout],
        "createdAt": NOON, "updatedAt": NOON,
    }  # fmt: skip
    return made | changes


def task(number: int, definition: str = NEW, **changes: Any) -> Any:
    address = {"name": "privateIPv4Address", "value": f"10.0.64.{number}"}
    made = {
        "taskArn": f"{ARN}:task/careapp-poc-cluster/{number}", "taskDefinitionArn": definition,
        "lastStatus": "RUNNING", "desiredStatus": "RUNNING", "healthStatus": "HEALTHY",
        "attachments": [{"type": "ElasticNetworkInterface", "details": [address]}],
    }  # fmt: skip
    return made | changes


def target(number: int, state: str = "healthy", reason: str = "") -> Any:
    health = {"State": state} | ({"Reason": reason} if reason else {})
    return {"Target": {"Id": f"10.0.64.{number}", "Port": 3000}, "TargetHealth": health}


def event(number: int, seconds: float, message: str = "") -> Any:
    return {
        "id": f"event-{number}",
        "createdAt": NOON + timedelta(seconds=seconds),
        "message": message or f"(service careapp-poc-service) event {number}.",
    }


def service(
    *deployments: Any, desired: int = 2, events: tuple[Any, ...] = (), **changes: Any
) -> Any:
    made = {
        "serviceArn": f"{ARN}:service/careapp-poc-cluster/careapp-poc-service", "status": "ACTIVE",
        "desiredCount": desired, "runningCount": sum(each["runningCount"] for each in deployments),
        "pendingCount": 0, "taskDefinition": deployments[0]["taskDefinition"] if deployments else NEW,
        "deployments": list(deployments), "events": list(events),
    }  # fmt: skip
    return made | changes


def view(*deployments: Any, tasks: Any = (), targets: Any = (), **changes: Any) -> Rollout:
    return replace(
        NO_SERVICE,
        service=ecs.service_of(service(*deployments, **changes)),
        tasks=tuple(map(ecs.task_of, tasks)),
        targets=tuple(map(elb.target_of, targets)),
    )


def all_well(desired: int = 2) -> Rollout:
    """The wanted revision on all its tasks, all of them healthy."""
    numbers = range(1, desired + 1)
    return view(
        deployment(NEW, "COMPLETED", desiredCount=desired, runningCount=desired),
        desired=desired,
        tasks=[task(number) for number in numbers],
        targets=[target(number) for number in numbers],
    )


class Account(Answering):
    """AWS by prepared answers. Each look gets the next service, the last one again and again."""

    def __init__(
        self, *services: Any, tasks: Any = ("arn:task/1", "arn:task/2"), **answers: Any
    ) -> None:
        found = [
            each if isinstance(each, AwsProblem) else {"services": [each] if each else []}
            for each in services
        ]
        known = {
            "describe_services": found,
            "list_tasks": lambda asked: {
                "taskArns": tasks if asked["desiredStatus"] == "RUNNING" else []
            },
            "describe_tasks": lambda asked: {
                "tasks": [task(int(arn.rpartition("/")[2])) for arn in asked["tasks"]]
            },
            "describe_target_health": {"TargetHealthDescriptions": [target(1), target(2)]},
            "list_service_deployments": {"serviceDeployments": []},
        }
        super().__init__(**known | answers)
