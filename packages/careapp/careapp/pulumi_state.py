"""Changes the Pulumi state: what a restored database and a stopped update leave behind."""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from careapp.additions.parts import restores
from careapp.settings.names import StackNames
from ecs_gate.parts.records import Deletion
from ecs_gate.text import Refused, verbatim
from local_cloud.machine.signals import run_in_front

INSTANCE = "aws:rds/instance:Instance"
TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"

HARMLESS = frozenset({"same", "update", "refresh", "read"})
"""Steps of a preview that keep a resource."""


@dataclass(frozen=True)
class PulumiStack:
    """A stack of this folder's project. Secrets in its state stay encrypted: it is never exported with them."""

    names: StackNames

    def instance_id(self) -> str:
        """Return the provider's id of the DB instance: its DbiResourceId. Raises Refused."""
        return str(self._instance(self._export())["id"])

    def set_instance_id(self, new: str) -> None:
        """Replace the id of the DB instance in the state. Raises Refused.

        The provider reads an instance by its DbiResourceId, which a renaming does not change
        (terraform-provider-aws pull request 31232, pulumi/pulumi-aws issue 2910).
        """
        exported = self._export()
        resource = self._instance(exported)
        old = resource["id"]
        resource["id"] = new
        resource["outputs"] = {
            name: new if value == old else value for name, value in resource["outputs"].items()
        }
        self._pulumi("stack", "import", given=json.dumps(exported))

    def take_back(self, *, dry_run: bool) -> list[str]:
        """Make current again what an update has replaced and was stopped before it deleted. Return types and names.

        Of a program that declares the old one again Pulumi would create a third one, while the first one still has
        its name, its route or its priority. What took its place waits to be deleted then, which the next update
        does. A task definition has no such place. Raises Refused.
        """
        exported = self._export()
        resources = exported["deployment"].get("resources", ())
        current = {resource["urn"] for resource in resources if not resource.get("delete")}
        waiting = Counter(resource["urn"] for resource in resources if resource.get("delete"))
        twins = [
            resource
            for resource in resources
            if resource["type"] != TASK_DEFINITION
            and resource["urn"] in current
            and waiting[resource["urn"]] == 1
        ]
        for twin in twins:
            twin["delete"] = not twin.get("delete")
        if twins and not dry_run:
            self._pulumi("stack", "import", given=json.dumps(exported))
        found = (Deletion(each["type"], each["urn"].rpartition("::")[2], {}) for each in twins)
        return sorted({deletion.label for deletion in found})

    def check_preview(self) -> None:
        """Raise Refused if `pulumi up --refresh` would replace or delete the DB instance."""
        urn = self._instance(self._export())["urn"]
        preview = json.loads(self._pulumi("preview", "--refresh", "--json"))
        for step in preview.get("steps", ()):
            if step["urn"] == urn and step["op"] not in HARMLESS:
                raise Refused(
                    "`pulumi up --refresh -s {stack}` would {operation} the restored database, so it "
                    "was not run; `pulumi preview --refresh --diff -s {stack}` shows why.",
                    stack=self.names.stack,
                    operation=verbatim(step["op"]),
                )

    def up(self, instead: Mapping[str, str]) -> None:
        """Run `pulumi up --refresh` with its output in front. Raises Refused when it fails.

        ``instead`` are settings of this run only. pulumi writes them into a copy of the stack file (`-c`,
        `--config-file`), so that an interrupt leaves the stack file as it is.
        """
        command = ["pulumi", "up", "--refresh", "--yes", "--skip-preview", "-s", self.names.stack]
        with TemporaryDirectory(prefix="careapp-") as temporary:
            if instead:
                file = shutil.copy(f"Pulumi.{self.names.stack}.yaml", temporary)
                command += ["--config-file", str(file)]
                command += [f"--config={name}={value}" for name, value in instead.items()]
            failed = run_in_front(command, os.environ)
        if failed:
            raise Refused(
                "`pulumi up` failed. The database is restored; `./careapp db restore -s {stack}` goes "
                "on from here.",
                stack=self.names.stack,
            )

    def _instance(self, exported: Mapping[str, Any]) -> dict[str, Any]:
        # Without those that wait to be deleted. A refresh while the instance is renamed notes its name of then.
        names = (self.names.database, restores.old_name(self.names.database))
        instances = [
            resource
            for resource in exported["deployment"].get("resources", ())
            if resource["type"] == INSTANCE
            and not resource.get("delete")
            and resource.get("inputs", {}).get("identifier") in names
        ]
        if len(instances) != 1:
            raise Refused(
                "The state of {stack} has no DB instance {id}; `pulumi up -s {stack}` creates it.",
                stack=self.names.stack,
                id=self.names.database,
            )
        instance: dict[str, Any] = instances[0]
        return instance

    def _export(self) -> dict[str, Any]:
        exported: dict[str, Any] = json.loads(self._pulumi("stack", "export"))
        return exported

    def _pulumi(self, *words: str, given: str | None = None) -> str:
        return output_of(*words, "-s", self.names.stack, given=given)


def output_of(*words: str, given: str | None = None) -> str:
    """Run pulumi and return its output. Raises Refused with its errors."""
    command = ["pulumi", *words, "--non-interactive"]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Refused("pulumi is not on PATH.") from None
    if done.returncode:
        raise Refused(
            "`{command}` failed: {words}",
            command=" ".join(command),
            words=verbatim((done.stderr or done.stdout).strip()),
        )
    return done.stdout
