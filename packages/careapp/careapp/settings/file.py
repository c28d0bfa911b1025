"""A stack's file: its configuration as texts, and the reader that checks its keys."""

import difflib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from careapp.settings.names import StackNames
from careapp.settings.rules import Key
from ecs_gate.text import Refused, Text, joined, t, text_of

OTHER_CREDENTIALS = (
    *("aws:accessKey", "aws:secretKey", "aws:token", "aws:assumeRoles"),
    *("aws:assumeRoleWithWebIdentity", "aws:sharedConfigFiles", "aws:sharedCredentialsFiles"),
)
"""Keys that give credentials to pulumi-aws only (pulumi_aws.config).

The commands and the roll-out gate would use other credentials, perhaps of another account.
"""

REGION = r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+"
"""The regions of the partition `aws` (botocore's partitions.json, ``regionRegex``)."""


PACKAGES = ("aws", "awsx", "docker", "pulumi")
"""The other namespaces of the program's keys: those of its providers and of Pulumi."""


TWICE = t(
    "stands in the stack's file twice, with the project's name before it and without; delete one"
)


class StackError(Refused):
    """The stack's file is invalid; ``text`` names the problem and the fix."""

    exit_code = 2
    usable: Any = None
    """The settings with the defaults of the keys that are wrong, where these alone are what is wrong."""


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """A stack's configuration: texts by full key, such as ``careapp:ecsEnabled``; a map is JSON.

    ``project`` is the name in Pulumi.yaml, which begins the keys of the program's own settings.
    ``encrypted`` has the keys whose value, or a part of it, is encrypted.
    """

    project: str
    stack: str
    values: Mapping[str, str]
    encrypted: Collection[str] = frozenset()
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


def read(stack: str, folder: Path = Path()) -> StackFile:
    """Read a stack's file in the project's folder. Raises StackError.

    Encrypted values are left out: only the engine can decrypt them.
    """
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.exists():
        raise StackError(_no_file(stack, folder))
    name = project_of(folder)
    given: Mapping[str, Any] = _load(file).get("config") or {}
    config = {full_key(name, key): value for key, value in given.items()}
    twice = {key: TWICE for key in given if ":" not in key and full_key(name, key) in given}
    if problems := twice or other_credentials(config):
        raise refused(stack, problems)
    return StackFile(
        project=name,
        stack=stack,
        folder=folder,
        values={key: _text(value) for key, value in config.items() if not _is_encrypted(value)},
        encrypted={key for key, value in config.items() if _holds_encrypted(value)},
    )


def stacks(folder: Path = Path()) -> list[str]:
    """Return the names of the stacks that have a file in the project's folder."""
    return [file.name.split(".")[1] for file in sorted(folder.glob("Pulumi.*.yaml"))]


def project_of(folder: Path = Path()) -> str:
    """Return the name of the project in a folder. Raises StackError."""
    file = folder / "Pulumi.yaml"
    if not file.exists():
        raise StackError(
            "{folder} contains no Pulumi.yaml, which has the project's name; run this in the project's "
            "folder.",
            folder=str(folder.resolve()),
        )
    name = _load(file).get("name")
    if not name:
        raise StackError("Pulumi.yaml has no `name`, with which all names begin. Add it there.")
    return str(name)


def names_of(stack: str, folder: Path = Path()) -> StackNames:
    """Return the names of a stack's resources. Raises StackError."""
    return StackNames(stack, project_of(folder))


def full_key(project: str, key: str) -> str:
    """Return a key with its namespace: without one it is the project's, as to the engine.

    Source: Pulumi, sdk/go/common/workspace/loaders.go, stackConfigNamespacedWithProject.
    """
    return key if ":" in key else f"{project}:{key}"


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
    head = t(
        "the settings of stack {stack} are invalid ({count} problem):",
        "the settings of stack {stack} are invalid ({count} problems):",
        stack=stack,
        count=len(problems),
    )
    lines = [
        head,
        *(t("  {name}: {problem}", name=name, problem=each) for name, each in problems.items()),
        t("Nothing was changed. `pulumi config set KEY VALUE` sets a key."),
    ]
    return StackError(joined("\n", lines))


def _no_file(stack: str, folder: Path) -> Text:
    found = stacks(folder)
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

    # libyaml's parser is ten times as fast; PyYAML's wheels have it.
    parser = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

    class Loader(parser):  # type: ignore[misc, valid-type]
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
            "{file} is not valid YAML: {where}. Fix it there.", file=file.name, where=where
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


class Reader:
    """Reads keys one by one and collects their problems. ``sources`` says whether the app's sources must exist."""

    def __init__(self, file: StackFile, *, sources: bool = False) -> None:
        self.file, self.sources = file, sources
        self.problems: dict[str, Text] = {}

    def __call__(self, key: Key[T]) -> T:
        """Return the key's value; after a problem its default, so that reading continues."""
        try:
            if key.shown and self._full(key) in self.file.encrypted:
                raise ValueError(key.shown)
            return key.rule(self.text(key))
        except ValueError as wrong:
            self.problems[key.name] = text_of(wrong)
            return key.rule(key.default)

    def record(self, kind: type[T], **others: Any) -> T:
        """Return a record: `others`, and the values of the keys of its other fields (`value_of`)."""
        keys = {field.name: field.metadata.get("key") for field in fields(cast(Any, kind))}
        return kind(**{name: self(key) for name, key in keys.items() if key} | others)

    def text(self, key: Key[Any]) -> str:
        """Return the text in the stack file, or the key's default."""
        return self.file.values.get(self._full(key), key.default).strip()

    def _full(self, key: Key[Any]) -> str:
        return full_key(self.file.project, key.name)

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

    def refuse(self, wrong: object, problem: Text, *keys: Key[Any]) -> None:
        """Note a problem of the first of several keys where something is wrong, unless one of them has one already."""
        if wrong and not any(key.name in self.problems for key in keys):
            self.problems[keys[0].name] = problem

    def check(self, rule: Callable[[], object], *keys: Key[Any]) -> None:
        """Check several keys: a ValueError of the rule becomes a problem of the first one.

        The rule is skipped when one of the keys has a problem already.
        """
        self.together(rule, *keys, otherwise=None)

    def together(self, rule: Callable[[], T], *keys: Key[Any], otherwise: T) -> T:
        """Return the result of a rule of several keys, or `otherwise` after a problem, which is the first key's."""
        if any(key.name in self.problems for key in keys):
            return otherwise
        try:
            return rule()
        except ValueError as wrong:
            self.problems[keys[0].name] = text_of(wrong)
            return otherwise

    def finish(self, names: StackNames, keys: Sequence[Key[Any]]) -> None:
        """Check the resources' names and the key names. Raises StackError: every problem in the keys' order."""
        self.problems |= names.problems()
        known = [key.name for key in keys]
        self._check_unknown_keys(known)
        if self.problems:
            others = [name for name in self.problems if name not in known]
            ordered = [*others, *(name for name in known if name in self.problems)]
            raise refused(self.file.stack, {name: self.problems[name] for name in ordered})

    def _check_unknown_keys(self, known: Sequence[str]) -> None:
        for full in sorted(self.file.values):
            namespace, _, name = full.partition(":")
            if namespace == self.file.project and name not in known:
                if name.partition(".")[0] in known:
                    self.problems[name] = t(
                        "has to be set with --path, as a part of a map: first `pulumi config rm {name}`, then "
                        "`pulumi config set --path {name} VALUE`",
                        name=name,
                    )
                    continue
                near = difflib.get_close_matches(name, known, n=1)
                self.problems[name] = (
                    t("is an unknown key; did you mean {near}?", near=near[0])
                    if near
                    else t("is an unknown key; Pulumi.yaml lists all keys")
                )
            elif namespace not in (self.file.project, *PACKAGES) and name in known:
                self.problems[full] = t(
                    "is a key of a project named {other}, and Pulumi.yaml names this one {project}; "
                    "write {name} without {other}: in the stack's file",
                    other=namespace,
                    project=self.file.project,
                    name=name,
                )
