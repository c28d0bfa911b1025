"""Terraform with HashiCorp's AWS provider, against the local cloud."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.real_provider.translate import Missing, merged

Json = dict[str, Any]

VERSION = "5.100.0"
SOURCE = "registry.terraform.io/hashicorp/aws"
VARIABLE = "TF_PLUGIN_DIR"
"""The folder below which ``registry.terraform.io/hashicorp/aws/VERSION/`` lies, if Terraform does not find it."""
FOLDERS = ("/opt", "/usr/share", "/usr/local/share", "~/.terraform.d")


REATTACH = "TF_REATTACH_PROVIDERS"
"""The variable by which Terraform finds a provider that runs."""
MANY = "-parallelism=30"
"""Most of the time of a resource is waiting, for which the provider chooses the seconds."""


class TerraformMissing(Exception):
    """Terraform, or the provider, is neither here nor to be had."""


class TerraformFailed(Exception):
    """A command of Terraform's that ended with an error, and what it printed."""


def plugins() -> Path | None:
    """Return the folder that holds the provider in Terraform's layout, or None."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    for folder in FOLDERS:
        base = Path(folder).expanduser()
        for depth in ("", "*/", "*/*/"):
            for found in base.glob(f"{depth}{SOURCE}/{VERSION}"):
                return found.parents[3]
    return None


@dataclass(frozen=True)
class Terraform:
    """A working directory of Terraform's."""

    folder: Path
    environment: Mapping[str, str]
    region: str

    @property
    def file(self) -> Path:
        """Its configuration, with an argument a line."""
        return self.folder / "main.tf.json"

    def start(self) -> None:
        """Install the provider. Raises TerraformMissing where it can neither be found nor be had."""
        if shutil.which("terraform") is None:
            raise TerraformMissing("needs terraform")
        self.folder.mkdir(parents=True)
        self.configure()
        found = plugins()
        try:
            self.run("init", *([f"-plugin-dir={found}"] if found else []))
        except TerraformFailed as failed:
            raise TerraformMissing(f"needs the provider {SOURCE} {VERSION}: {failed}") from failed

    def configure(self, *translated: tuple[Json, list[Missing]]) -> list[Missing]:
        """Declare these resources and no others; return what their translations lack."""
        resource = merged(*translated)
        required = {"aws": {"source": "hashicorp/aws", "version": VERSION}}
        provider = {"region": self.region, "s3_use_path_style": True}
        configuration = {
            "terraform": {"required_providers": required},
            "provider": {"aws": provider},
            **({"resource": resource} if resource else {}),
        }
        self.file.write_text(json.dumps(configuration, indent=1))
        return [member for _, missing in translated for member in missing]

    @cached_property
    def schemas(self) -> Json:
        """The provider's resource types."""
        told = json.loads(self.run("providers", "schema", "-json"))
        return dict(told["provider_schemas"][SOURCE]["resource_schemas"])

    @contextmanager
    def serve(self, environment: Mapping[str, str]) -> Iterator[Terraform]:
        """Yield itself with one process of the provider, which each command would start anew, several times."""
        [plugin] = (self.folder / ".terraform/providers" / SOURCE / VERSION).glob("*/*_v*")
        command = [plugin, "-debug"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
            try:
                printed = iter(process.stdout or ())
                found = next(
                    filter(None, (re.search(f"{REATTACH}='(.+)'", line) for line in printed))
                )
                yield replace(self, environment={**environment, REATTACH: found[1]})
            finally:
                process.terminate()

    def apply(self) -> dict[str, str]:
        """Return what it did: ``create``, ``update``, ``delete`` or ``replace`` for each address."""
        words = self.run("apply", "-json", "-auto-approve", "-refresh=false", MANY)
        told = map(json.loads, words.splitlines())
        changes = [line["change"] for line in told if line["type"] == "planned_change"]
        return {change["resource"]["addr"]: change["action"] for change in changes}

    def destroy(self) -> None:
        self.run("destroy", "-auto-approve", "-refresh=false", MANY)

    def plan(self, *options: str) -> dict[str, Json]:
        """Return what a plan changes of each resource, by its address."""
        self.run("plan", "-out=plan", MANY, *options)
        told = json.loads(self.run("show", "-json", "plan"))
        return {change["address"]: change["change"] for change in told["resource_changes"]}

    def differences(self) -> dict[str, str]:
        """Return what the cloud has otherwise than the configuration: the attribute, and both values."""
        return {
            address + path: values
            for address, change in self.plan().items()
            if change["actions"] != ["no-op"]
            for path, values in differing(change["before"], change["after"])
        }

    def replacing(self) -> dict[tuple[str, str], bool]:
        """Return of each argument that a plan changes whether that replaces the resource, by address and name."""
        return {
            (address, name): name in {path[0] for path in change.get("replace_paths") or ()}
            for address, change in self.plan("-refresh=false").items()
            for name in changed(change)
        }

    def invalid(self) -> dict[int, str]:
        """Return what the provider's schemas refuse of the configuration, by the line."""
        told = json.loads(self.run("validate", "-json", code=None))
        return {
            diagnostic["range"]["start"]["line"]: diagnostic["summary"]
            for diagnostic in told["diagnostics"]
            if diagnostic["severity"] == "error"
        }

    @property
    def state(self) -> Path:
        return self.folder / "terraform.tfstate"

    def held(self) -> dict[str, Json]:
        """Return the attributes of the resources in the state, by their addresses."""
        return {
            f"{resource['type']}.{resource['name']}": resource["instances"][0]["attributes"]
            for resource in json.loads(self.state.read_text())["resources"]
        }

    def copy(self, name: str) -> Terraform:
        """Return another working directory."""
        folder = self.folder.with_name(name)
        return replace(self, folder=shutil.copytree(self.folder, folder, symlinks=True))

    def run(self, *words: str, code: int | None = 0) -> str:
        talking = words[0] in ("init", "plan", "apply", "destroy")
        quiet = ("-no-color", "-input=false") if talking else ()
        done = subprocess.run(
            ["terraform", words[0], *quiet, *words[1:]],
            cwd=self.folder,
            env={**self.environment, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if code is not None and done.returncode != code:
            raise TerraformFailed(
                f"terraform {' '.join(words)}: {done.stdout[-2000:]}\n{done.stderr}"
            )
        return done.stdout


def changed(change: Json) -> list[str]:
    """Return the arguments that a plan changes of a resource that is there."""
    before, after, unknown = (change.get(key) or {} for key in ("before", "after", "after_unknown"))
    return [
        name
        for name, value in before.items()
        if is_unknown(unknown.get(name)) or after.get(name, value) != value
    ]


def differing(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield where two values differ, and both; what is known only after the change is None."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from differing(before.get(name), after.get(name), f"{path}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from differing(*pair, f"{path}[{index}]")
    elif before != after:
        yield path, f"{before!r} -> {after!r}"


def is_unknown(value: Any) -> bool:
    """Return whether a part of a value is known only after the change."""
    return any(map(is_unknown, value)) if isinstance(value, list) else value is True
