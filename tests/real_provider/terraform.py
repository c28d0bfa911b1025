"""Terraform with HashiCorp's AWS provider, against the local cloud."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

Json = dict[str, Any]

VERSION = "5.100.0"
SOURCE = "registry.terraform.io/hashicorp/aws"
VARIABLE = "TF_PLUGIN_DIR"
"""The folder below which ``registry.terraform.io/hashicorp/aws/VERSION/`` lies, if Terraform does not find it."""
FOLDERS = ("/opt", "/usr/share", "/usr/local/share", "~/.terraform.d")


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

    def start(self) -> None:
        """Install the provider. Raises TerraformMissing where it can neither be found nor be had."""
        if shutil.which("terraform") is None:
            raise TerraformMissing("needs terraform")
        self.folder.mkdir(parents=True)
        self.configure({})
        found = plugins()
        try:
            self.run("init", *([f"-plugin-dir={found}"] if found else []))
        except TerraformFailed as failed:
            raise TerraformMissing(f"needs the provider {SOURCE} {VERSION}: {failed}") from failed

    def configure(self, resource: Json) -> None:
        """Declare these resources and no others."""
        required = {"aws": {"source": "hashicorp/aws", "version": VERSION}}
        provider = {"region": self.region, "s3_use_path_style": True}
        configuration = {
            "terraform": {"required_providers": required},
            "provider": {"aws": provider},
            **({"resource": resource} if resource else {}),
        }
        (self.folder / "main.tf.json").write_text(json.dumps(configuration, indent=1))

    @cached_property
    def schemas(self) -> Json:
        """The provider's resource types."""
        told = json.loads(self.run("providers", "schema", "-json"))
        return dict(told["provider_schemas"][SOURCE]["resource_schemas"])

    def apply(self) -> None:
        self.run("apply", "-auto-approve")

    def destroy(self) -> None:
        self.run("destroy", "-auto-approve")

    def plan(self) -> dict[str, str]:
        """Return what is left to do: ``create``, ``update``, ``delete`` or ``replace`` for each address."""
        self.run("plan", "-out=plan")
        told = json.loads(self.run("show", "-json", "plan"))
        return dict(_actions(told["resource_changes"]))

    def held(self) -> list[str]:
        """Return the addresses in the state."""
        return self.run("state", "list").split()

    def run(self, *words: str) -> str:
        done = subprocess.run(
            ["terraform", words[0], *_quiet(words[0]), *words[1:]],
            cwd=self.folder,
            env={**self.environment, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise TerraformFailed(
                f"terraform {' '.join(words)}: {done.stdout[-2000:]}\n{done.stderr}"
            )
        return done.stdout


def _quiet(command: str) -> tuple[str, ...]:
    return ("-no-color", "-input=false") if command in ("init", "plan", "apply", "destroy") else ()


def _actions(changes: list[Json]) -> Iterator[tuple[str, str]]:
    for change in changes:
        actions = change["change"]["actions"]
        if actions != ["no-op"]:
            yield change["address"], "replace" if len(actions) == 2 else actions[0]
