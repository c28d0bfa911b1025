"""Cures in the words of whoever declares the service: the commands to type, and the places where it is declared."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ecs_gate.text import Text, t, verbatim

if TYPE_CHECKING:
    from ecs_gate.diagnosis.case import Case
    from ecs_gate.target import Names

PLACES = {
    "access": t("the policy of the task's role"),
    "authority": verbatim("sslrootcert"),
    "container": t("the container's definition"),
    "files": verbatim("S3"),
    "leak": t("it is one where memory grows while the load does not"),
    "image": t("the build of the image"),
    "listeners": t("the listeners"),
    "load_balancer": t("the load balancer and its target group"),
    "login": t("the rule that asks for the login"),
    "migrations": t("in a task of its own, which ends before the service is updated"),
    "network": t("the VPC"),
    "packages": t("requirements.txt, for example"),
    "rules": t("the rules of the security groups"),
    "run": verbatim(""),
    "secret": t("the container's `secrets`"),
    "service": t("the ECS service"),
    "task": t("the task definition"),
    "trust": t("the role"),
    "variable": t("the container's `environment`"),
}
"""What a cure may have to change in the program that declares the service, by a name for it.

``run`` is what a command begins with that runs in a task of its own.
"""

CHECK_OPTIONS = {
    "healthPath": "--health-check-path ",
    "healthMatcher": "--matcher HttpCode=",
}
"""Options of `aws elbv2 modify-target-group`."""
SERVICE_OPTIONS = {
    "desiredCount": "--desired-count",
    "healthGracePeriod": "--health-check-grace-period-seconds",
}
"""Options of `aws ecs update-service`."""
DECLARED = {
    "healthPath": t("the path of the target group's health check"),
    "healthMatcher": t("the matcher of the target group's health check"),
    "desiredCount": t("the service's desired count"),
    "healthGracePeriod": t("the service's health check grace period"),
    "databaseStorageGb": t("the DB instance's storage in GiB"),
    "allowedCidrs": t("the declared ones"),
    "appCommand": t("the container's `command`"),
    "appVariables": PLACES["variable"],
    "appSecrets": PLACES["secret"],
    "certificateArn": t("the listener's certificate"),
    "containerPort": t("the container's port, the service's and that of its target group"),
    "cpuArchitecture": t("the task definition's `runtimePlatform`"),
    "databaseInstanceClass": t("the DB instance's class"),
    "deployCommand": t("the command before a deployment"),
    "loginClientId": PLACES["login"],
    "smokeMatcher": t("the gate"),
    "smokePath": t("the page that is requested"),
    "stopSeconds": t("the container's `stopTimeout`"),
    "taskCpu": t("the task definition's `cpu`"),
    "taskMemory": t("the task definition's `memory`"),
}
"""What a setting is called in the program that declares the service."""


def of_service(names: Names) -> str:
    """Return the options that name a service."""
    return f"--cluster {names.cluster} --service {names.service}"


def new_deployment(names: Names, revision: str = "") -> str:
    """Return AWS's command that starts a deployment, of the family's newest revision unless another one is named."""
    which = f" --task-definition {revision or names.family}" if revision or names.family else ""
    return f"aws ecs update-service {of_service(names)}{which} --force-new-deployment"


def stopped_deployment(names: Names) -> str:
    """Return AWS's command that ends a service's newest deployment and goes back to the version before."""
    listed = "--query 'serviceDeployments[0].serviceDeploymentArn' --output text"
    newest = f"$(aws ecs list-service-deployments {of_service(names)} {listed})"
    return f"aws ecs stop-service-deployment --stop-type ROLLBACK --service-deployment-arn {newest}"


class Remedies:
    """The cures of one case, by AWS's own commands. An owner whose program declares the service has others.

    Where there is no command, the text alone says what to do.
    """

    def __init__(self, case: Case) -> None:
        self.case, self.names = case, case.now.names

    def place(self, what: str) -> Text:
        """Return where ``what`` of PLACES is declared."""
        return PLACES[what]

    def called(self, key: str) -> Text:
        """Return how a setting is called."""
        head, _, name = key.partition(".")
        declared = DECLARED[head]
        return t("{name} in {place}", name=name, place=declared) if name else declared

    def named(self, name: str) -> Text:
        """Return the words for a name that a finding's text has in braces: a place's of PLACES, or a setting's."""
        return self.place(name) if name in PLACES else self.called(name)

    def has(self, key: str, value: str) -> bool:  # noqa: ARG002 - the program is not known
        """Return whether a setting is declared with this value, so that AWS differs from the program."""
        return False

    def set(self, key: str, value: str) -> tuple[str, ...]:
        """Return the commands that give a setting its value; it counts once the program is applied."""
        group = self.case.now.group.value
        if key in CHECK_OPTIONS and group:
            option = CHECK_OPTIONS[key].replace("Http", "Grpc" if group.check.grpc else "Http")
            given = f"{option}{shlex.quote(value)}"
            return (f"aws elbv2 modify-target-group --target-group-arn {group.arn} {given}",)
        if key in SERVICE_OPTIONS:
            return (
                f"aws ecs update-service {of_service(self.names)} {SERVICE_OPTIONS[key]} {value}",
            )
        return ()

    def unset(self, key: str) -> tuple[str, ...]:  # noqa: ARG002 - it stands in the program
        """Return the commands that take a setting back."""
        return ()

    def connect(self, values: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002 - it stands in the program
        """Return the commands that give the app variables with placeholders, like `${DB_HOST}`, of its database."""
        return ()

    def rebuild(self) -> tuple[str, ...]:
        """Return the commands after which the image is built and pushed again, under another tag."""
        return ()

    def apply(self) -> tuple[str, ...]:
        """Return the commands that apply the program."""
        return self.case.now.owner.apply

    def preview(self) -> tuple[str, ...]:
        """Return the commands that show what applying the program would change."""
        return ()

    def refresh(self) -> tuple[str, ...]:
        """Return the commands that restore what was changed or deleted outside the program."""
        return ()

    def retry(self) -> tuple[str, ...]:
        """Return the commands that make ECS try the expected revision again."""
        definition = self.case.definition
        return (new_deployment(self.names, definition.revision if definition else ""),)

    def rollback(self) -> tuple[str, ...]:
        """Return the commands that end the roll-out under way and go back."""
        return (self.case.now.owner.rollback(self.names),)

    def logs(self, *options: str) -> tuple[str, ...]:  # noqa: ARG002 - AWS's command shows all tasks
        """Return the commands that show the app's log: of tasks that have ended, too, with ``--previous``."""
        definition = self.case.definition
        group = (definition.log_group if definition else "") or self.names.log_group
        return (f"aws logs tail {group} --since 1h",) if group else ()

    def events(self) -> tuple[str, ...]:
        """Return the commands that show what happened, in order."""
        events = "--query 'services[0].events[:20].[createdAt,message]' --output text"
        where = f"--cluster {self.names.cluster} --services {self.names.service}"
        return (f"aws ecs describe-services {where} {events}",)

    def follow(self) -> tuple[str, ...]:
        """Return the commands that show a roll-out until it ends."""
        return (f"ecs-gate wait {of_service(self.names)}",)

    def sql(self, *statements: str) -> tuple[str, ...]:
        """Return the commands that run SQL in the database."""
        database = self.case.now.database.value
        where = f"-h {database.address} -p {database.port} -U {database.user}" if database else ""
        return tuple(f'psql {where} -c "{statement}"' for statement in statements)

    def restored(self) -> Text:
        """Return the words for restoring what the program declares."""
        return t(
            "Apply the program that declares it once more, so that it restores what is missing:"
        )
