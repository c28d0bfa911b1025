"""The configuration with which the engine is asked what a stack would be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i18n import t
from ops import stack as stacks
from ops.cost.prices import REGION
from ops.stack import StackError


def config_of(stack: str, folder: Path, settings: Mapping[str, str]) -> dict[str, Any]:
    """A stack file's configuration.

    Raises StackError for another region than the price table's, and for what cannot be read
    without the stack's key, unless ``settings`` say another value.
    """
    _check_region(stack, folder)
    import yaml

    held = yaml.safe_load((folder / f"Pulumi.{stack}.yaml").read_text()) or {}
    config: dict[str, Any] = held.get("config") or {}
    locked = [key for key, value in config.items() if isinstance(value, dict) and "secure" in value]
    for key in locked:
        if key not in settings:
            raise StackError(
                t(
                    "{key} is encrypted in Pulumi.{stack}.yaml and cannot be read here: "
                    "give any value for it, --set {key}=x.",
                    key=key,
                    stack=stack,
                )
            )
        config[key] = settings[key]
    return config


def _check_region(stack: str, folder: Path) -> None:
    region = stacks.read(stack, folder).region
    if region != REGION:
        raise StackError(
            t(
                "The price table is that of {region}, and aws:region of stack {stack} is {other}.",
                region=REGION,
                stack=stack,
                other=region or t("not set"),
            )
        )


def not_exported(stack: str, output: str) -> StackError:
    """What ``pulumi stack export`` complains about, with the way out."""
    return StackError(
        t(
            "The state of stack {stack} cannot be read: {words}. "
            "`pulumi login` leads to the backend, and --stack names a stack of it.",
            stack=stack,
            words=output.strip().removeprefix("error: "),
        )
    )
