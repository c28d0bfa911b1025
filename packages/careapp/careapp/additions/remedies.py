"""Cures of a stack: `pulumi config set`, `./careapp`, and the files of the program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from careapp import ROOT
from careapp.settings.container import PASSWORD
from careapp.settings.settings import Settings
from ecs_gate.pulumi_remedies import PULUMI, PulumiRemedies
from ecs_gate.target import Names
from ecs_gate.text import Text, joined, t, verbatim

if TYPE_CHECKING:
    from ecs_gate.diagnosis.case import Case


def _component(module: str) -> Text:
    """Return where a component is: the file of the project, or without it the module of the installed package."""
    own = (ROOT / "infra" / f"{module}.py").exists()
    return verbatim(f"infra/{module}.py" if own else f"careapp.infra.{module}")


PLACES = {
    "access": joined(", ", (verbatim("task_policy"), _component("iam"))),
    "authority": t("DB_SSLROOTCERT; in webapp certs/rds-ca.pem"),
    "container": _component("container"),
    "files": verbatim("S3 (uploadsEnabled)"),
    "image": _component("registry"),
    "leak": t("docs/repair.md#a-task-is-unhealthy says how to tell, and how to find it"),
    "listeners": _component("listeners"),
    "load_balancer": _component("load_balancer"),
    "login": _component("login"),
    "migrations": verbatim('`pulumi config set deployCommand "flask db upgrade"`'),
    "network": _component("network"),
    "packages": t("in webapp: requirements.in, then `make lock`"),
    "rules": _component("security_groups"),
    "run": verbatim("./careapp run -- "),
    "secret": t("appSecrets, docs/your-app.md"),
    "service": _component("service"),
    "task": _component("task"),
    "trust": _component("iam"),
    "variable": t(
        "`pulumi config set --path appVariables.NAME VALUE`, or {place} where the stack sets it",
        place=_component("container"),
    ),
}
"""The files, commands and settings of what a cure may have to change."""

OF_WEBAPP = ("authority", "packages")
"""What is in the app that comes along; of another app only AWS's own words are known."""
WORKERS_OWN = {
    "appCommand": "command",
    "desiredCount": "count",
    "stopSeconds": "stopSeconds",
    "taskCpu": "cpu",
    "taskMemory": "memory",
}
"""The web service's settings, and the fields of `workers.NAME` in their place."""
CALLED = {
    "appCommand": "appCommand, workers.NAME.command",
    "stopSeconds": "workers.NAME.stopSeconds",
}
"""What else the web service's are called."""


def try_again(stack: str, names: Names) -> str:
    """Return the command with which ECS deploys the newest revision again."""
    worker = f"--worker {names.process} " if names.process else ""
    return f"./careapp retry {worker}-s {stack}"


ADVICE = replace(
    PULUMI,
    too_late=t(
        "What to do: remove the cause above, or, if the app only needs longer, `pulumi config set "
        "rolloutTimeoutMinutes MINUTES`. ECS goes on trying; the next `pulumi up` waits again, and fails until "
        "{revision} runs."
    ),
    completed=t(
        "ECS has completed the deployment, so it was not rolled back. Correct it, or put the earlier version back in "
        "the program, as docs/repair.md#go-back says; then `pulumi up`."
    ),
    worker=t("The web service stays as it is: it is not rolled back with a worker."),
)
"""What to do after a roll-out of a stack."""


class StackRemedies(PulumiRemedies):
    """The cures of a case of this stack."""

    def __init__(self, settings: Settings, case: Case) -> None:
        super().__init__(case)
        self.settings, self.stack, self.process = settings, settings.stack, self.names.process
        self.options = f" -s {self.stack}"

    def place(self, what: str) -> Text:
        if what in OF_WEBAPP and not self.settings.webapp:
            return super().place(what)
        return PLACES[what]

    def called(self, key: str) -> Text:
        if self.process and key in WORKERS_OWN:
            return verbatim(f"workers.{self.process}.{WORKERS_OWN[key]}")
        return verbatim(CALLED.get(key, key))

    def has(self, key: str, value: str) -> bool:
        own = self.process and key in WORKERS_OWN
        return not own and self.settings.texts.get(key) == value

    def set(self, key: str, value: str) -> tuple[str, ...]:
        if self.process and key in WORKERS_OWN:
            key = f"--path workers.{self.process}.{WORKERS_OWN[key]}"
        elif "." in key:
            key = f"--plaintext --path {key}"
        return (f"pulumi config set {key} {value} -s {self.stack}",)

    def unset(self, key: str) -> tuple[str, ...]:
        return (f"pulumi config rm --path {key} -s {self.stack}",)

    def connect(self, values: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(
            f"pulumi config set --plaintext --path app{'Secrets' if text == PASSWORD else 'Variables'}.{name} '{text}' "
            f"-s {self.stack}"
            for name, text in values.items()
        )

    def rebuild(self) -> tuple[str, ...]:
        return self.set("imageRevision", self.settings.image.next_revision)

    def retry(self) -> tuple[str, ...]:
        # What ECS never got, `pulumi up` deploys: `retry` would skip deployCommand, and refuses.
        if self.case.not_deployed:
            return self.apply()
        return (self.case.now.owner.retry(self.names),)

    def logs(self, *options: str) -> tuple[str, ...]:
        chosen = (*options, *(("--worker", self.process) if self.process else ()))
        return (" ".join(("./careapp logs", *chosen, "-s", self.stack)),)

    def events(self) -> tuple[str, ...]:
        return (f"./careapp events -s {self.stack}",)

    def follow(self) -> tuple[str, ...]:
        return (f"./careapp status --watch -s {self.stack}",)

    def sql(self, *statements: str) -> tuple[str, ...]:
        bastion = (*self.set("bastionEnabled", "true"), *self.apply())
        reachable = self.settings.bastion_enabled or self.settings.service.exec_enabled
        commands = tuple(f'./careapp db psql -s {self.stack} -c "{each}"' for each in statements)
        return commands if reachable else (*bastion, *commands)
