"""A stack's file: its configuration as texts, and the reader that checks its keys."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from i18n import Refused, Text, joined, said, t
from stack.names import PROJECT
from stack.rules import Key

OTHER_CREDENTIALS = (
    *("aws:accessKey", "aws:secretKey", "aws:token", "aws:assumeRoles"),
    *("aws:assumeRoleWithWebIdentity", "aws:sharedConfigFiles", "aws:sharedCredentialsFiles"),
)
"""Keys that give credentials to pulumi-aws only (pulumi_aws.config).

The commands and the roll-out gate would use other credentials, perhaps of another account.
"""

REGION = r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+"
"""The regions of the partition `aws` (botocore's partitions.json, ``regionRegex``)."""


class StackError(Refused):
    """The stack's file is invalid; ``text`` names the problem and the fix."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """A stack's configuration: texts by full key, such as ``careapp:ecsEnabled``; a map is JSON.

    ``encrypted`` has the keys whose value, or a part of it, is encrypted.
    """

    stack: str
    values: Mapping[str, str]
    encrypted: Collection[str] = frozenset()
    project: str = PROJECT
    folder: Path = Path()
    """The project's folder, which contains the file and the app's sources."""

    @property
    def config(self) -> dict[str, Any]:
        """Return the values with maps and lists decoded: the engine does not accept them as texts."""
        return {
            key: json.loads(text) if text[:1] in ("{", "[") else text
            for key, text in self.values.items()
        }

    @property
    def region(self) -> str | None:
        return self.values.get("aws:region") or None

    @property
    def profile(self) -> str | None:
        return self.values.get("aws:profile") or None


def read(stack: str, folder: Path) -> StackFile:
    """Read a stack's file in the project's folder. Raises StackError.

    Encrypted values are left out: only the engine can decrypt them.
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
    """Return the keys of OTHER_CREDENTIALS in a stack's configuration, each with its fix."""
    return {
        key: t(
            "gives credentials to the provider only, and the roll-out gate and the commands would use "
            "others; `pulumi config rm {key}`, then set a profile of ~/.aws/config "
            "(`pulumi config set aws:profile NAME`) or the AWS_… variables",
            key=key,
        )
        for key in OTHER_CREDENTIALS
        if key in config
    }


def refused(stack: str, problems: Mapping[str, Text]) -> StackError:
    """Return the error that names every problem of a stack's settings, each by its key."""
    count = len(problems)
    head = (
        t("the settings of stack {stack} are invalid (1 problem):", stack=stack)
        if count == 1
        else t(
            "the settings of stack {stack} are invalid ({count} problems):",
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
            "{folder} contains no stack file; run this in the project's folder, "
            "which contains Pulumi.{stack}.yaml.",
            folder=str(folder.resolve()),
            stack=stack,
        )
    return t(
        'There is no stack "{stack}": Pulumi.{stack}.yaml does not exist. '
        "Existing stacks: {found}. Choose one with --stack.",
        stack=stack,
        found=", ".join(found),
    )


def _load(file: Path) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads only YAML 1.2's booleans, as the engine does: `yes` and `on` are texts."""

    def boolean(_: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
        text = str(node.value)
        return text.lower() if text.lower() in ("true", "false") else text

    Loader.add_constructor("tag:yaml.org,2002:bool", boolean)
    try:
        return yaml.load(file.read_text(), Loader) or {}  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as problem:
        where = " ".join(str(problem).split())
        raise StackError(
            t("{file} is not valid YAML: {where}. Fix it there.", file=file.name, where=where)
        ) from None


def _is_encrypted(value: object) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"secure"}


def _holds_encrypted(value: object) -> bool:
    nested = value.values() if isinstance(value, Mapping) else ()
    return _is_encrypted(value) or any(map(_holds_encrypted, nested))


def _text(value: object) -> str:
    """Return a value as `pulumi config` shows it: an integer without a fraction, null as empty text."""
    if isinstance(value, Mapping):
        return json.dumps({key: each for key, each in value.items() if not _is_encrypted(each)})
    if isinstance(value, list):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


T = TypeVar("T")

LONGEST_PREFIX = 32 - len("-alb")
"""ELB's names have at most 32 characters (botocore, CreateLoadBalancer)."""


class Reader:
    """Reads keys one by one and collects their problems.

    ``sources`` says whether the app's sources must exist.
    """

    def __init__(self, file: StackFile, *, sources: bool = False) -> None:
        self.file, self.sources = file, sources
        self.problems: dict[str, Text] = {}

    def __call__(self, key: Key[T]) -> T:
        """Return the key's value; after a problem its default, so that reading continues."""
        try:
            return key.rule(self.text(key))
        except ValueError as wrong:
            self.problems[key.name] = said(wrong)
            return key.rule(key.default)

    def text(self, key: Key[Any]) -> str:
        """Return the text in the stack file, or the key's default."""
        return self.file.values.get(self._full(key), key.default).strip()

    def is_encrypted(self, key: Key[Any]) -> bool:
        """Return whether the key's value, or a part of it, is encrypted."""
        return self._full(key) in self.file.encrypted

    def _full(self, key: Key[Any]) -> str:
        return f"{self.file.project}:{key.name}"

    def region(self) -> str:
        """Return the stack's region. Keys of OTHER_CREDENTIALS become problems."""
        self.problems |= other_credentials(self.file.values)
        if self.file.region is None:
            self.problems["aws:region"] = t(
                "is not set; for Tokyo: `pulumi config set aws:region ap-northeast-1`"
            )
        elif not re.fullmatch(REGION, self.file.region):
            self.problems["aws:region"] = t(
                "{region} is not a region of AWS's partition `aws`, whose ARNs the program writes, like "
                "eu-central-1; China (aws-cn) and GovCloud (aws-us-gov) are partitions of their own",
                region=self.file.region,
            )
        return self.file.region or ""

    def together(self, check: Callable[[], T], *parts: Key[Any], otherwise: T) -> T:
        """Return the result of a check of several keys, or `otherwise` after a problem.

        A ValueError of the check becomes a problem of the first key. The check is skipped when one of
        the keys has a problem already.
        """
        if any(part.name in self.problems for part in parts):
            return otherwise
        try:
            return check()
        except ValueError as wrong:
            self.problems[parts[0].name] = said(wrong)
            return otherwise

    def finish(self, prefix: str, keys: Sequence[Key[Any]]) -> None:
        """Check the resources' prefix and the key names. Raises StackError that names every problem."""
        self._check_prefix(prefix)
        self._check_unknown_keys([key.name for key in keys])
        if self.problems:
            raise refused(self.file.stack, self.problems)

    def _check_prefix(self, prefix: str) -> None:
        if not re.fullmatch(r"[a-z](-?[a-z0-9])*", prefix):
            self.problems["stack"] = t(
                "{prefix} begins the names of resources, so it may have only lowercase letters, digits "
                "and single hyphens; `pulumi stack rename` renames the stack",
                prefix=prefix,
            )
        elif len(prefix) > LONGEST_PREFIX:
            self.problems["stack"] = t(
                "{prefix} begins the names of resources and is longer than {longest} characters; "
                "`pulumi stack rename` renames the stack",
                prefix=prefix,
                longest=LONGEST_PREFIX,
            )

    def _check_unknown_keys(self, known: Sequence[str]) -> None:
        namespace = f"{self.file.project}:"
        for full in sorted(self.file.values):
            name = full.removeprefix(namespace)
            if name != full and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                self.problems[name] = (
                    t("is an unknown key; did you mean {near}?", near=near[0])
                    if near
                    else t("is an unknown key; Pulumi.yaml lists all keys")
                )
