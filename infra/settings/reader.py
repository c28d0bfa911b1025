"""The one place that touches pulumi.Config; it gathers every problem and tells them together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pulumi
from pulumi.runtime.config import CONFIG

from i18n import Text, joined, said, shown, t
from infra.settings.key import Key
from ops.place import other_credentials

T = TypeVar("T")

LONGEST_PREFIX = 32 - len("-alb")
"""ELB's names have at most 32 characters (botocore, CreateLoadBalancer)."""


class SettingsError(pulumi.RunError):
    """The stack file says something careapp cannot build; the text names every problem.

    A RunError, because Pulumi prints its text without a traceback and fails the command.
    """


class Reader:
    """Reads keys one by one and remembers what was wrong with them."""

    def __init__(self) -> None:
        self.config = pulumi.Config()
        self.problems: dict[str, Text] = {}

    def __call__(self, key: Key[T]) -> T:
        """The key's value. After a refusal its default, so that the reading can go on."""
        try:
            return key.rule(self.config.get(key.name, key.default).strip())
        except ValueError as wrong:
            self.problems[key.name] = said(wrong)
            return key.rule(key.default)

    def region(self) -> str:
        """The stack's region. Keys that give the provider credentials of its own are refused."""
        self.problems |= other_credentials(CONFIG.get())
        region = pulumi.Config("aws").get("region", "")
        if not region:
            self.problems["aws:region"] = t(
                "is missing; for Tokyo: `pulumi config set aws:region ap-northeast-1`"
            )
        return region

    def together(self, check: Callable[[], T], *parts: Key[Any], otherwise: T) -> T:
        """What a check of several keys gives, unless one of them was refused already.

        The check's ValueError becomes a problem of the first key.
        """
        if any(part.name in self.problems for part in parts):
            return otherwise
        try:
            return check()
        except ValueError as wrong:
            self.problems[parts[0].name] = said(wrong)
            return otherwise

    def finish(self, prefix: str, keys: Sequence[Key[Any]]) -> None:
        """Raise SettingsError unless all was well, with the stack's name and the keys as well."""
        self._check_prefix(prefix)
        self._check_unknown_keys([key.name for key in keys])
        if not self.problems:
            return
        count = len(self.problems)
        head = (
            t("the settings of stack {stack} cannot be used (1 problem):", stack=pulumi.get_stack())
            if count == 1
            else t(
                "the settings of stack {stack} cannot be used ({count} problems):",
                stack=pulumi.get_stack(),
                count=count,
            )
        )
        lines = [
            head,
            *(
                t("  {name}: {problem}", name=name, problem=problem)
                for name, problem in self.problems.items()
            ),
            t("Nothing was changed. `pulumi config set KEY VALUE` sets a key."),
        ]
        raise SettingsError(shown(joined("\n", lines)))

    def _check_prefix(self, prefix: str) -> None:
        if not re.fullmatch(r"[a-z](-?[a-z0-9])*", prefix):
            self.problems["stack"] = t(
                "{prefix} names resources, so it must be small letters, digits and single "
                "hyphens; `pulumi stack rename` gives it another name",
                prefix=prefix,
            )
        elif len(prefix) > LONGEST_PREFIX:
            self.problems["stack"] = t(
                "{prefix} names resources and is longer than {longest} characters; "
                "`pulumi stack rename` gives it a shorter name",
                prefix=prefix,
                longest=LONGEST_PREFIX,
            )

    def _check_unknown_keys(self, known: Sequence[str]) -> None:
        namespace = f"{pulumi.get_project()}:"
        # pulumi.Config cannot list its keys; this is the map that it looks them up in.
        for full in sorted(CONFIG.get()):
            name = full.removeprefix(namespace)
            if name != full and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                self.problems[name] = (
                    t("there is no such key; did you mean {near}?", near=near[0])
                    if near
                    else t("there is no such key; Pulumi.yaml lists them all")
                )
