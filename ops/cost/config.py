"""The configuration with which the engine is asked what a stack would be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i18n import t
from ops.cost.prices import REGION
from stack.file import StackError, StackFile, read


def config_of(stack: str, folder: Path, settings: Mapping[str, str]) -> dict[str, Any]:
    """A stack file's configuration.

    Raises StackError for another region than the price table's, and for what cannot be read
    without the stack's key, unless ``settings`` say another value.
    """
    file = read(stack, folder)
    _check_region(file)
    config: dict[str, Any] = {key: _value(text) for key, text in file.values.items()}
    for key in file.encrypted:
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


def _value(text: str) -> Any:
    """Return a map or a list as such: as a text the engine would not take it."""
    return json.loads(text) if text[:1] in ("{", "[") else text


def _check_region(file: StackFile) -> None:
    if file.region != REGION:
        raise StackError(
            t(
                "The price table is that of {region}, and aws:region of stack {stack} is {other}.",
                region=REGION,
                stack=file.stack,
                other=file.region or t("not set"),
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
