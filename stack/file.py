"""A stack's file: its configuration as the texts that the engine passes to the program."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i18n import Refused, Text, joined, t
from stack.names import PROJECT

OTHER_CREDENTIALS = (
    *("aws:accessKey", "aws:secretKey", "aws:token", "aws:assumeRoles"),
    *("aws:assumeRoleWithWebIdentity", "aws:sharedConfigFiles", "aws:sharedCredentialsFiles"),
)
"""Keys by which pulumi-aws takes credentials that no other program sees (pulumi_aws.config).

The commands and the roll-out gate would look with others, perhaps into another account.
"""


class StackError(Refused):
    """The stack's file cannot be used; ``text`` says why and what to do."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """A stack's configuration: texts by full key, such as ``careapp:ecsEnabled``; a map is JSON.

    ``encrypted`` names the keys whose value is encrypted, wholly or in part.
    """

    stack: str
    values: Mapping[str, str]
    encrypted: Collection[str] = frozenset()
    project: str = PROJECT
    folder: Path = Path()
    """The project's, in which the file and the app's sources are."""

    @property
    def region(self) -> str | None:
        return self.values.get("aws:region") or None

    @property
    def profile(self) -> str | None:
        return self.values.get("aws:profile") or None


def read(stack: str, folder: Path) -> StackFile:
    """Read a stack's file in the project's folder. Raises StackError.

    Values that are encrypted are left out: only the engine has their key.
    """
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.exists():
        raise StackError(_no_file(stack, folder))
    config: Mapping[str, Any] = _load(file).get("config") or {}
    if problems := other_credentials(config):
        raise refused(stack, problems)
    return StackFile(
        stack=stack,
        folder=folder,
        values={key: _text(value) for key, value in config.items() if not _is_encrypted(value)},
        encrypted={key for key, value in config.items() if _holds_encrypted(value)},
    )


def other_credentials(config: Collection[str]) -> dict[str, Text]:
    """Return the keys of OTHER_CREDENTIALS among those of a stack's configuration, each with the way out."""
    return {
        key: t(
            "gives credentials to the provider alone, and roll-out gate and commands would look "
            "with others; `pulumi config rm {key}`, then name a profile of ~/.aws/config that "
            "gives them (`pulumi config set aws:profile NAME`), or set the AWS_… variables",
            key=key,
        )
        for key in OTHER_CREDENTIALS
        if key in config
    }


def refused(stack: str, problems: Mapping[str, Text]) -> StackError:
    """Return the error that names every problem of a stack's settings, each by its key."""
    count = len(problems)
    head = (
        t("the settings of stack {stack} cannot be used (1 problem):", stack=stack)
        if count == 1
        else t(
            "the settings of stack {stack} cannot be used ({count} problems):",
            stack=stack,
            count=count,
        )
    )
    lines = [
        head,
        *(t("  {name}: {problem}", name=name, problem=each) for name, each in problems.items()),
        t("Nothing was changed. `pulumi config set KEY VALUE` sets a key."),
    ]
    return StackError(joined("\n", lines))


def _no_file(stack: str, folder: Path) -> Text:
    found = [each.name.split(".")[1] for each in sorted(folder.glob("Pulumi.*.yaml"))]
    if not found:
        return t(
            "{folder} holds no stack file; run this in the project's folder, "
            "where Pulumi.{stack}.yaml is.",
            folder=str(folder.resolve()),
            stack=stack,
        )
    return t(
        'There is no stack "{stack}": Pulumi.{stack}.yaml is missing. '
        "Known here: {found}. Choose one with --stack.",
        stack=stack,
        found=", ".join(found),
    )


def _load(file: Path) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Knows YAML 1.2's booleans alone, as the engine does: `yes` and `on` are texts."""

    def boolean(_: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
        text = str(node.value)
        return text.lower() if text.lower() in ("true", "false") else text

    Loader.add_constructor("tag:yaml.org,2002:bool", boolean)
    try:
        return yaml.load(file.read_text(), Loader) or {}  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as problem:
        where = " ".join(str(problem).split())
        raise StackError(
            t("{file} is not valid YAML: {where}. Mend it there.", file=file.name, where=where)
        ) from None


def _is_encrypted(value: object) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"secure"}


def _holds_encrypted(value: object) -> bool:
    nested = value.values() if isinstance(value, Mapping) else ()
    return _is_encrypted(value) or any(map(_holds_encrypted, nested))


def _text(value: object) -> str:
    """Return a value as `pulumi config` shows it: a whole number without a fraction, null as nothing."""
    if isinstance(value, Mapping):
        return json.dumps({key: each for key, each in value.items() if not _is_encrypted(each)})
    if isinstance(value, list):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
