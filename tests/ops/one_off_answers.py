"""What ECS and the log answer about a task of RunTask."""

from __future__ import annotations

from i18n import verbatim
from ops import run_task
from ops.aws.errors import AwsProblem
from tests.ops.conftest import NAMES

ARN = "arn:aws:ecs:ap-northeast-1:123456789012:task/careapp-poc-cluster/0123456789abcdef"
THROTTLED = AwsProblem("throttled", verbatim("Slow down."), verbatim("Wait."))


def task(status, code=None, **change):
    container = {"name": NAMES.container, "exitCode": code, "lastStatus": status}
    known = {key: value for key, value in container.items() if value is not None}
    return {
        "taskArn": ARN,
        "taskDefinitionArn": "arn:x:task-definition/careapp-poc:1",
        "lastStatus": status,
        "desiredStatus": "RUNNING",
        "containers": [known],
        **change,
    }


def described(*tasks):
    return {"tasks": list(tasks), "failures": []}


def page(token, *lines):
    return {"events": [{"message": each} for each in lines], "nextForwardToken": token}


def script(monkeypatch, session):
    """Script ECS and the log, one answer a call, the last one again and again; and keep what was asked."""
    answers = {
        "run_task": [{"tasks": [task("PROVISIONING")], "failures": []}],
        "describe_tasks": [described(task("RUNNING")), described(task("STOPPED", 0))],
        "get_log_events": [page("end")],
        "stop_task": [{"task": task("STOPPED")}],
    }
    asked = []
    call = session.__class__.call

    def scripted(self, service, operation, /, **params):
        if operation not in answers:
            return call(self, service, operation, **params)
        asked.append((operation, params))
        several = answers[operation]
        answer = several.pop(0) if len(several) > 1 else several[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(session.__class__, "call", scripted)
    monkeypatch.setattr(run_task, "POLL_SECONDS", 0.0)
    return answers, asked


def asked_for(ecs, operation):
    return [params for name, params in ecs[1] if name == operation]
