"""The real engine on the local cloud, with an ECS whose answers a test lays down."""

import contextlib
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from moto.backends import get_backend

from careapp.rehearsal.rehearse import copy_program
from local_cloud.aws import hooks
from local_cloud.aws.ecs import records
from local_cloud.calls import Calls
from local_cloud.engine.find import find_or_get
from local_cloud.engine.language import Language
from local_cloud.engine.pulumi import Changes, Pulumi, PulumiFailed
from local_cloud.paths import Home
from local_cloud.providers.aws import KINDS
from local_cloud.run.client import RunningCloud
from local_cloud.run.project import Project, local_cloud_environment
from local_cloud.run.stand_ins import start_api, start_hosts

Params = dict[str, Any]
REGION = "ap-northeast-1"
SUBNET = "10.0.64."
ILL = {
    "Reason": "Target.ResponseCodeMismatch",
    "Description": "Health checks failed with these codes: [404]",
}


def arn(resource: str) -> str:
    """Return the ARN of something of ECS."""
    return f"arn:aws:ecs:{hooks.registry.region}:{hooks.ACCOUNT}:{resource}"


class ScriptedEcs:
    """Every roll-out succeeds at once, unless `breaks` is set: then it is rolled back or given up."""

    def __init__(self) -> None:
        self.breaks = False
        self.hangs = False
        """Whether new deployments neither fail nor get anywhere."""
        self.falls_ill = False
        """Whether the load balancer's next look but one at the targets, and all after it, fail."""
        self.asked: list[str] = []
        """The reads that a roll-out gate makes."""
        self.exit_code = 0
        """With what a one-off task ends at once."""
        self.one_offs: dict[str, OneOff] = {}
        self._good: dict[str, str] = {}

    def create(self, params: Params) -> Params:
        """Create a service, whose settings ECS describes as in a local cloud that runs tasks."""
        service = records.create_service(params)
        self.settle(service.name)
        return {"service": service}

    def rolled(self, params: Params) -> None:
        """ECS has carried out UpdateService."""
        name = str(params["service"]).rpartition("/")[2]
        records.keep_settings(self._service(name), params)
        self.settle(name)

    def settle(self, name: str, *, again: bool = False) -> None:
        """Give the service the deployments that it ends with; `again`: it was forced, and succeeds."""
        service = self._service(name)
        wanted = service.task_definition
        if self._good.get(name) == wanted or not (self.breaks or self.hangs) or again:
            self._good[name] = wanted
            service.deployments = [
                deployment(wanted, "PRIMARY", "COMPLETED", service.desired_count)
            ]
        elif self.hangs:
            service.deployments = [deployment(wanted, "PRIMARY", "IN_PROGRESS", 0)]
        elif name in self._good:
            back = deployment(self._good[name], "PRIMARY", "COMPLETED", service.desired_count)
            back["rolloutStateReason"] = BACK
            service.deployments = [back]
        else:
            service.deployments = [deployment(wanted, "PRIMARY", "FAILED", 0)]
        service.running_count = service.deployments[0]["runningCount"]
        service.pending_count = 0
        service.events = [EVENT | {"createdAt": datetime.now(UTC)}]

    def list_tasks(self, params: Params) -> Params:
        self.asked.append("ListTasks")
        # A rollback comes after the provider has read the service.
        for service in hooks.backend("ecs").services.values():
            if service.deployments:
                service.task_definition = service.deployments[0]["taskDefinition"]
        if params.get("desiredStatus") == "STOPPED" or "startedBy" in params:
            return {"taskArns": []}
        return {"taskArns": [arn(f"task/{name}") for name in self._running()]}

    def describe_tasks(self, params: Params) -> Params:
        if mine := [self.one_offs[arn] for arn in params["tasks"] if arn in self.one_offs]:
            return {"tasks": [task.described() for task in mine]}
        return {"tasks": [_task(name, *running) for name, running in self._running().items()]}

    def run_task(self, params: Params) -> Params:
        """Run a command whose log has one line, which says that it ran."""
        services = hooks.backend("ecs").services.values()
        serving = [service.task_definition for service in services if service.status == "ACTIVE"]
        one_off = OneOff(f"{len(self.one_offs) + 1:08}", params, serving, self.exit_code)
        self.one_offs[one_off.arn] = one_off
        logs, stream = hooks.backend("logs"), f"app/app/{one_off.name}"
        line = {"timestamp": round(datetime.now(UTC).timestamp() * 1000), "message": "it ran"}
        logs.create_log_stream(f"/ecs/{one_off.family}", stream)
        logs.put_log_events(f"/ecs/{one_off.family}", stream, [line])
        return {"tasks": [one_off.described()], "failures": []}

    def target_health(self, _params: Params) -> Params:
        self.asked.append("DescribeTargetHealth")
        # The first look is before the health check changes, the second the gate's first.
        ill = self.falls_ill and self.asked.count("DescribeTargetHealth") > 2
        health = {"State": "unhealthy", **ILL} if ill else {"State": "healthy"}
        targets = [
            {"Target": {"Id": address, "Port": 3000}, "TargetHealth": health}
            for _, address in self._running().values()
        ]
        return {"TargetHealthDescriptions": targets}

    def service_deployments(self, params: Params) -> Params:
        name = str(params["service"]).rpartition("/")[2]
        row = {
            "serviceDeploymentArn": arn(f"service-deployment/{name}/1"),
            "targetServiceRevisionArn": self._service(name).task_definition,
            "createdAt": datetime.now(UTC),
            "status": "SUCCESSFUL",
        }
        return {"serviceDeployments": [row]}

    def service_revisions(self, params: Params) -> Params:
        asked = params["serviceRevisionArns"]
        rows = [{"serviceRevisionArn": each, "taskDefinition": each} for each in asked]
        return {"serviceRevisions": rows}

    def _running(self) -> dict[str, tuple[Any, str]]:
        """Each running task's name, its service and its address."""
        return {
            f"{service.name}-{number}": (service, f"{SUBNET}{10 + number}")
            for service in hooks.backend("ecs").services.values()
            if service.status == "ACTIVE"
            for number in range(service.running_count)
        }

    def _service(self, name: str) -> Any:
        [found] = [each for each in hooks.backend("ecs").services.values() if each.name == name]
        return found


@dataclass
class OneOff:
    """A task of RunTask: what it was asked for, and the task definitions of the services by then."""

    name: str
    asked: Params
    serving: list[str]
    exit_code: int

    @property
    def arn(self) -> str:
        return arn(f"task/{self.family}-cluster/{self.name}")

    @property
    def family(self) -> str:
        return self.revision.partition(":")[0]

    @property
    def revision(self) -> str:
        return str(self.asked["taskDefinition"]).rpartition("/")[2]

    def described(self) -> Params:
        return {
            "taskArn": self.arn,
            "taskDefinitionArn": self.asked["taskDefinition"],
            "startedBy": self.asked["startedBy"],
            **dict.fromkeys(("lastStatus", "desiredStatus"), "STOPPED"),
            "stoppedReason": "Essential container in task exited",
            "containers": [{"name": "app", "lastStatus": "STOPPED", "exitCode": self.exit_code}],
        }


def _task(name: str, service: Any, place: str) -> Params:
    """A task that has run for two minutes, as DescribeTasks shows it."""
    started = datetime.now(UTC) - timedelta(minutes=2)
    address = {"name": "privateIPv4Address", "value": place}
    return {
        "taskArn": arn(f"task/{name}"),
        "taskDefinitionArn": service.deployments[0]["taskDefinition"],
        "startedBy": service.deployments[0]["id"],
        "lastStatus": "RUNNING",
        "desiredStatus": "RUNNING",
        "healthStatus": "HEALTHY",
        "createdAt": started,
        "startedAt": started,
        "attachments": [{"type": "ElasticNetworkInterface", "details": [address]}],
        "containers": [{"name": "app", "lastStatus": "RUNNING", "healthStatus": "HEALTHY"}],
    }


BACK = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
EVENT = {
    "id": "00000000-0000-4000-8000-000000000001",
    "message": "(service careapp-poc-service) has started 1 tasks: (task 0123456789abcdef).",
}


def deployment(definition: str, status: str, rollout: str, running: int) -> Params:
    """One row of a service's deployments, as moto holds it."""
    reasons = {
        "COMPLETED": "ECS deployment ecs-svc/2 completed.",
        "FAILED": "ECS deployment circuit breaker: tasks failed to start.",
        "IN_PROGRESS": "ECS deployment ecs-svc/2 in progress.",
    }
    now = datetime.now(UTC)
    return {
        "id": "ecs-svc/2",
        "status": status,
        "taskDefinition": definition,
        "desiredCount": 1,
        "runningCount": running,
        "pendingCount": 0,
        "failedTasks": 3 if rollout == "FAILED" else 0,
        "rolloutState": rollout,
        "rolloutStateReason": reasons[rollout],
        "createdAt": now,
        "updatedAt": now,
    }


@contextlib.contextmanager
def scripted_ecs() -> Iterator[ScriptedEcs]:
    """Put one into moto for a while."""
    ecs = ScriptedEcs()
    answers: dict[tuple[str, str], Callable[[Params], Params]] = {
        ("ecs", "CreateService"): ecs.create,
        ("ecs", "ListTasks"): ecs.list_tasks,
        ("ecs", "DescribeTasks"): ecs.describe_tasks,
        ("ecs", "RunTask"): ecs.run_task,
        ("ecs", "ListServiceDeployments"): ecs.service_deployments,
        ("ecs", "DescribeServiceRevisions"): ecs.service_revisions,
        ("elbv2", "DescribeTargetHealth"): ecs.target_health,
    }
    instead, after = hooks.registry.instead, hooks.registry.after
    # Another stack's may be there already, and comes back afterwards.
    before = (dict(instead), {call: list(hooked) for call, hooked in after.items()})
    instead.update(answers)
    hooks.Hooking().after("ecs", "UpdateService", ecs.rolled)
    try:
        yield ecs
    finally:
        for table, saved in zip((instead, after), before, strict=True):
            table.clear()
            table.update(saved)  # type: ignore[arg-type]


STACK = "pulumi:pulumi:Stack"
SPEED = "100"
"""How much faster than the wall the clock is by which a roll-out gate waits."""
ONE_STATE = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""The engine writes the state at the end of an update, not after each resource: that takes a third of its time.

In packages/careapp/tests/rehearsal it writes it as it does for users; there updates are killed, too.
"""


@dataclass(frozen=True)
class LocalStack:
    """One stack of a program that may be edited in ``source``."""

    pulumi: Pulumi
    home: Home
    source: Path
    calls: Calls
    ecs: ScriptedEcs
    language: Language
    name: str = "poc"
    project: str = "careapp"

    def up(self, **config: str) -> Changes:
        """Set configuration and ``pulumi up``, by one call of the engine; an empty map by another one."""
        pairs = dict(config)
        for key in [key for key, text in config.items() if text.startswith("{")]:
            entries = json.loads(pairs.pop(key))
            pairs |= {
                f"{key}.{name}.{field}": value
                for name, fields in entries.items()
                for field, value in fields.items()
            }
            if not entries:
                self.pulumi.run("config", "rm", key, "--stack", self.name)
        given = (f"--config={key}={value}" for key, value in pairs.items())
        return self.pulumi.update("up", self.name, "--config-path", *given)

    def configure(self, config: Mapping[str, str]) -> None:
        if config:
            pairs = [f"--plaintext={key}={value}" for key, value in config.items()]
            self.pulumi.run("config", "set-all", *pairs, "--stack", self.name)

    def destroy(self) -> Changes:
        return self.pulumi.update("destroy", self.name)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change the program; the text to change must be there exactly once."""
        path = self.source / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))

    def attempt(self, *command: str) -> tuple[int, str]:
        """Run a command of the engine; return its exit code and what it says."""
        try:
            return 0, self.pulumi.run(*command, "--stack", self.name)
        except PulumiFailed as failed:
            return failed.status, failed.output

    def careapp(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of the commands that operate a stack."""
        return subprocess.run(
            [sys.executable, "-m", "careapp.cli", *command, "-s", self.name],
            cwd=self.pulumi.folder,
            env=self.pulumi.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def service(self) -> Params:
        """Return the web service as ECS describes it; {} without one."""
        names = f"{self.project}-{self.name}"
        asked = {"cluster": f"{names}-cluster", "services": [f"{names}-service"]}
        found = self.calls("ecs", "describe_services", asked)["services"]
        return dict(found[0]) if found else {}

    def rules(self) -> dict[str, Params]:
        [balancer] = self.calls("elbv2", "describe_load_balancers", {})["LoadBalancers"]
        asked = {"LoadBalancerArn": balancer["LoadBalancerArn"]}
        [listener] = self.calls("elbv2", "describe_listeners", asked)["Listeners"]
        asked = {"ListenerArn": listener["ListenerArn"]}
        rules = self.calls("elbv2", "describe_rules", asked)["Rules"]
        return {rule["Priority"]: rule for rule in rules}

    @property
    def state_file(self) -> Path:
        return self.home.state / f".pulumi/stacks/{self.project}/{self.name}.json"

    def state(self) -> str:
        """The stack's state file, as it lies on the disk."""
        return self.state_file.read_text()

    def resources(self) -> list[Params]:
        """The resources in the state file, without the stack itself; no command of the engine takes a moment."""
        return [resource for resource in self._held() if resource["type"] != STACK]

    def outputs(self) -> Params:
        """The stack's outputs in the state file; none once it is destroyed."""
        stacks = [resource for resource in self._held() if resource["type"] == STACK]
        return {name: value for stack in stacks for name, value in stack.get("outputs", {}).items()}

    def _held(self) -> list[Params]:
        return json.loads(self.state())["checkpoint"]["latest"].get("resources") or []


@contextlib.contextmanager
def local_stack(
    folder: Path, stack: str = "poc", region: str = REGION, project: str = "careapp"
) -> Iterator[LocalStack]:
    """The stand-ins without a data plane: roll-outs succeed at once, unless a test wants another end."""
    source, home = folder / "source", Home(folder / "home")
    copy_program(source)
    program = source / "Pulumi.yaml"
    program.write_text(re.sub("^name: .*", f"name: {project}", program.read_text()))
    for file in source.glob("Pulumi.*.yaml"):
        file.write_text(file.read_text().replace(f"aws:region: {REGION}", f"aws:region: {region}"))
    # One line for every request would bury what a failing test has to say.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with contextlib.ExitStack() as stops:
        # moto lives as long as the process: revisions are counted, names are taken.
        for service in {kind.service for kind in KINDS.values()}:
            get_backend(service.replace("-", "")).clear()
        calls, builder = start_api(region, folder / "images", False, stops, mounts=False)
        ecs = stops.enter_context(scripted_ecs())
        variables = local_cloud_environment(calls.access, home.facts)
        pace = {"LOCAL_CLOUD_POLL_SECONDS": "0.1", "LOCAL_CLOUD_SPEED": SPEED}
        hosts = start_hosts(calls, builder, variables | pace, stops)
        ours = Project(home, source)
        ours.prepare()
        none = {"docker": False, "namespaces": False, "mounts": False}
        options = {"region": region, "speed": 20, "port": None, **none}
        facts = RunningCloud(
            {
                "endpoint": calls.access.endpoint,
                "key": calls.access[2:],
                "environment": hosts.environment,
                "options": options,
            }
        )
        environment = ours.environment(facts, find_or_get()) | ONE_STATE
        pulumi = Pulumi(home.project, environment, quiet=True)
        pulumi.run("stack", "init", stack)
        yield LocalStack(pulumi, home, source, calls, ecs, hosts.language, stack, project)
