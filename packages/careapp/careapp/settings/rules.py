"""The declaration of a setting, and the rules that turn its text into a value or raise ValueError."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv4Network
from typing import Generic, TypeVar

from ecs_gate.text import Text, Value, t

T = TypeVar("T")


class Invalid(ValueError):
    """A setting is invalid. It is raised with a message and its values, like `t`."""

    def __init__(self, template: str, plural: str = "", /, **values: Value) -> None:
        super().__init__(Text(template, tuple(values.items()), plural))


PRIVATE_RANGES = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""RFC 1918."""
WIDEST, NARROWEST = 16, 19
"""Prefix lengths: AWS allows no VPC larger than /16. With one smaller than /19 the load balancer's
subnets, 1/256 of the VPC, would be smaller than the /27 that ELB requires."""
SIZES = {"widest": WIDEST, "narrowest": NARROWEST}


@dataclass(frozen=True)
class Change:
    """What another value of a setting does to a running stack."""

    text: str
    new_tasks: bool = False
    """Whether the service replaces its tasks."""
    loses: Text | None = None
    """What `false` deletes. With `protect` that is refused."""


IN_PLACE = Change("changes in place, and no task is replaced")
NEW_TASKS = Change("the service replaces its tasks, as for a new version", new_tasks=True)
NEW_IMAGE = Change("a new image is built, and the service replaces its tasks", new_tasks=True)

KEPT_LOGS = Change(
    "`true` to `false` is refused with `protect`, as the logs would be deleted: first `pulumi config set protect "
    "false` and `pulumi up`",
    loses=t("the logs"),
)


@dataclass(frozen=True)
class Key(Generic[T]):
    """The declaration of one setting; `default` and `example` are texts as in a stack file.

    Pulumi.yaml and docs/settings.md are written from it, and the tests change every setting by it. Which
    resources and rights a setting needs is not declared: tests/engine changes each one and sees it.
    """

    name: str
    default: str
    rule: Callable[[str], T]
    meaning: str
    """In English; the catalogue has the Japanese, as of `Change.text`."""
    example: str = ""
    """Another value, which poc accepts; needless for a boolean, and for a number if the next one is accepted."""
    change: Change = IN_PLACE
    shown: Text | None = None
    """Why an encrypted value is refused: AWS shows the value in plain text."""
    variable: str = ""
    """The variable in which every task finds the resource that `true` adds for the app."""

    def another(self, than: str) -> str:
        """Return a value that is not the given one: the example, or the default."""
        example = self.example
        if self.kind == "boolean":
            example = "false" if self.default == "true" else "true"
        elif not example:
            example = str(int(self.default) + 1)
        return example if example != than else self.default

    @property
    def kind(self) -> str:
        """The type of its values: boolean, integer, object or string."""
        kinds: dict[type, str] = {bool: "boolean", int: "integer", dict: "object"}
        return kinds.get(type(self.rule(self.default)), "string")


SHOWN = t(
    "it is encrypted, but ECS shows a task's command in plain text; make the command read the secret from a "
    "variable of appSecrets, and set the command with --plaintext"
)
"""Why a command must not be encrypted in a stack file."""


def value_of(key: Key[T]) -> T:
    """Return the field of a record that has the key's value (`Reader.record`), without one its default."""
    value: T = field(default_factory=lambda: key.rule(key.default), metadata={"key": key})
    return value


def boolean(text: str) -> bool:
    # As `pulumi config set` writes it.
    if text not in ("true", "false"):
        raise Invalid("{text!r} is neither true nor false", text=text)
    return text == "true"


@dataclass(frozen=True)
class Integer:
    """The rule of an integer from `low` to `high`; `unit` ends the error's text."""

    low: int
    high: int
    unit: Text | str = ""

    def __call__(self, text: str) -> int:
        bounds = {"low": self.low, "high": self.high, "unit": self.unit}
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise Invalid(
                "{text!r} is not a whole number; it must be {low} to {high}{unit}",
                text=text,
                **bounds,
            )
        if not self.low <= int(text) <= self.high:
            raise Invalid("{text} is outside {low} to {high}{unit}", text=text, **bounds)
        return int(text)


@dataclass(frozen=True)
class Choice:
    """The rule of one of several texts."""

    options: Collection[str]

    def __call__(self, text: str) -> str:
        if text not in self.options:
            known = ", ".join(self.options)
            raise Invalid("{text!r} is unknown; choose one of {known}", text=text, known=known)
        return text


def one_of(numbers: Collection[int]) -> Callable[[str], int]:
    def rule(text: str) -> int:
        if not text.isdecimal() or int(text) not in numbers:
            known = ", ".join(map(str, numbers))
            raise Invalid("{text!r} is not one of {known}", text=text, known=known)
        return int(text)

    return rule


def pattern(expression: str, meaning: Text) -> Callable[[str], str]:
    """Return the rule of a text that matches completely; `meaning` completes the error "… is not".

    An expression that begins with `|` accepts empty text, too.
    """

    def rule(text: str) -> str:
        if not re.fullmatch(expression, text):
            raise Invalid("{text!r} is not {meaning}", text=text, meaning=meaning)
        return text

    return rule


def with_nearest(problem: Text, name: str, known: Collection[str]) -> Text:
    """Return the problem of an unknown name, with the one that is most like it, if one is."""
    near = get_close_matches(name, known, 1)
    return t("{rule}; did you mean {near}?", rule=problem, near=near[0]) if near else problem


def names(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def private_range(text: str) -> IPv4Network:
    try:
        network = IPv4Network(text, strict=False)
    except ValueError as wrong:
        raise Invalid("{text!r} is not an address range like 10.0.0.0/16", text=text) from wrong
    if "/" not in text:
        raise Invalid("{text} has no prefix length; write e.g. {text}/16", text=text)
    if str(network) != text:
        raise Invalid(
            "{text} is not the first address of its range; write {network}",
            text=text,
            network=str(network),
        )
    if network.prefixlen < WIDEST:
        raise Invalid(
            "{text} is larger than a VPC can be; use /{widest} to /{narrowest}", text=text, **SIZES
        )
    if not any(network.subnet_of(private) for private in PRIVATE_RANGES):
        ranges = ", ".join(map(str, PRIVATE_RANGES))
        raise Invalid("{text} is not private; use a part of {ranges}", text=text, ranges=ranges)
    if network.prefixlen > NARROWEST:
        raise Invalid(
            "{text} is too small for the subnets; use /{widest} to /{narrowest}", text=text, **SIZES
        )
    return network


def status_codes(text: str) -> str:
    """Return the matcher of HTTP codes when ELB accepts it: a code, a list or a range, within 200 to 499."""
    spans = [re.fullmatch(r"(\d{3})(?:-(\d{3}))?", part) for part in text.split(",")]
    bounds = [(int(span[1]), int(span[2] or span[1])) for span in spans if span]
    if len(bounds) < len(spans) or not all(200 <= low <= high <= 499 for low, high in bounds):
        raise Invalid(
            "{text!r} is not a code from 200 to 499, a list (200,204) or a range (200-299)",
            text=text,
        )
    return text
