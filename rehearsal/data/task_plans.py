"""Puts a task's containers together, ready to start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rehearsal.control import hooks
from rehearsal.data import trust
from rehearsal.data.container_plan import Plan, plan
from rehearsal.data.network import endpoint_of, read_map
from rehearsal.data.start_checks import StartChecks
from rehearsal.data.task_place import API_PORT, METADATA_PORT, Place
from rehearsal.images import LocalImage


def prepare(
    place: Place, folder: Path, images: Callable[[str], LocalImage], authority: Path
) -> list[Plan]:
    """Make Fargate's checks and put every container together. Raises CannotStart."""
    checks = StartChecks(place.task, place.definition, read_map(), endpoint_of(place.interface))
    plans = []
    for definition, state in zip(
        place.definition.container_definitions, place.containers, strict=True
    ):
        secrets = {
            str(each["name"]): checks.secret(str(each["valueFrom"]))
            for each in definition.get("secrets") or ()
        }
        image = checks.pull(state.image, images)
        state.digest = image.digest
        log = _log(checks, definition, place.task)
        if not image.docker:
            trust.vouch(image, authority)
        plans.append(plan(definition, image, secrets, _platform(place, definition, folder), log))
    return plans


def _platform(place: Place, definition: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """What Fargate, the VPC's DNS and the machine supply to a container."""
    region, base = hooks.registry.region, f"http://{place.platform}:{METADATA_PORT}"
    supplied = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": f"http://{place.platform}:{API_PORT}",
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/{place.task}",
        "PGHOSTADDR": place.platform,
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    if getattr(place.definition, "task_role_arn", None):
        supplied["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{base}/credentials/{place.task}"
    declared = [each["name"] for each in definition["environment"]]
    if place.namespace is None and "BIND_HOST" not in declared:
        supplied["BIND_HOST"] = place.address
    return supplied


def _log(checks: StartChecks, definition: Mapping[str, Any], task: str) -> tuple[str, str] | None:
    declared = definition.get("logConfiguration") or {}
    if declared.get("logDriver") != "awslogs":
        return None
    options = declared["options"]
    stream = f"{options['awslogs-stream-prefix']}/{definition['name']}/{task}"
    checks.log_stream(options, stream)
    return str(options["awslogs-group"]), stream
