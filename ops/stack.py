"""What the project's files declare for a stack: its region and profile, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from i18n import Refused, Text, t
from ops import authorities
from ops.names import PROJECT
from ops.place import other_credentials

WEBAPP = "webapp"
"""The folder of the app that comes with the project."""
BUNDLE = f"{WEBAPP}/certs/rds-ca.pem"
"""The certificate authorities that its image carries."""


class StackError(Refused):
    """The stack's file cannot be used; ``text`` says why and what to do."""

    exit_code = 2

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True)
class Declared:
    """A stack file's content: its own values, and Pulumi.yaml's defaults for the rest, as text."""

    stack: str
    region: str | None
    profile: str | None
    values: Mapping[str, str]
    defaults: Mapping[str, str]
    authorities: frozenset[str] | None = None
    """The names in BUNDLE, by which the app knows the database; None where the image holds no such file."""
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The settings that are maps, e.g. ``appSecrets``, as far as the stack file sets them."""

    def get(self, key: str) -> str:
        """A setting's value, e.g. of ``healthPath``; empty when Pulumi.yaml does not know the key."""
        return self.values.get(key, self.defaults.get(key, ""))

    @property
    def webapp(self) -> bool:
        """Whether the stack runs the app that comes with the project, whose files and words are known."""
        return self.get("appFolder") == WEBAPP

    def number(self, key: str, otherwise: int = 0) -> int:
        """The same as a whole number; ``otherwise`` where it is none."""
        text = self.get(key)
        return int(text) if text.isdigit() else otherwise

    def default(self, key: str) -> str:
        """What Pulumi.yaml says when the stack file is silent."""
        return self.defaults.get(key, "")


def read(stack: str, folder: Path) -> Declared:
    """Read Pulumi.yaml and the stack's file in ``folder``. Raises StackError."""
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.exists():
        raise StackError(_no_file(stack, folder))
    config = _load(file).get("config") or {}
    for key, problem in other_credentials(config).items():
        raise StackError(t("{file}: {key} {problem}.", file=file.name, key=key, problem=problem))
    schema = _load(folder / "Pulumi.yaml").get("config") or {}
    ours = {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in config.items()
        if key.startswith(f"{PROJECT}:")
    }
    bundle = folder / BUNDLE
    declared = Declared(
        stack=stack,
        region=_plain(config.get("aws:region")),
        profile=_plain(config.get("aws:profile")),
        values={key: _text(value) for key, value in ours.items() if not isinstance(value, Mapping)},
        defaults={
            key: _text(rule.get("default"))
            for key, rule in schema.items()
            if isinstance(rule, Mapping)
        },
        maps={
            key: {str(name): _text(each) for name, each in value.items()}
            for key, value in ours.items()
            if isinstance(value, Mapping)
        },
    )
    if declared.webapp and bundle.is_file():
        return replace(declared, authorities=authorities.names(bundle))
    return declared


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

    try:
        return yaml.safe_load(file.read_text()) or {}
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as problem:
        where = " ".join(str(problem).split())
        raise StackError(
            t("{file} is not valid YAML: {where}. Mend it there.", file=file.name, where=where)
        ) from None


def _plain(value: object) -> str | None:
    return str(value) if isinstance(value, str) and value else None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, Mapping) else str(value)
