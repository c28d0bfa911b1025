"""Reads a stack's keys; gathers every problem and tells them together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from i18n import Text, said, t
from stack.file import StackFile, other_credentials, refused
from stack.rules import Key

T = TypeVar("T")

LONGEST_PREFIX = 32 - len("-alb")
"""ELB's names have at most 32 characters (botocore, CreateLoadBalancer)."""


class Reader:
    """Reads keys one by one and remembers what was wrong with them.

    ``sources`` says whether the app's sources have to be there.
    """

    def __init__(self, file: StackFile, *, sources: bool = False) -> None:
        self.file, self.sources = file, sources
        self.problems: dict[str, Text] = {}

    def __call__(self, key: Key[T]) -> T:
        """The key's value. After a refusal its default, so that the reading can go on."""
        try:
            return key.rule(self.text(key))
        except ValueError as wrong:
            self.problems[key.name] = said(wrong)
            return key.rule(key.default)

    def text(self, key: Key[Any]) -> str:
        """Return what the stack file says, or the key's default."""
        return self.file.values.get(self._full(key), key.default).strip()

    def is_encrypted(self, key: Key[Any]) -> bool:
        """Return whether the key's value is encrypted, wholly or in part."""
        return self._full(key) in self.file.encrypted

    def _full(self, key: Key[Any]) -> str:
        return f"{self.file.project}:{key.name}"

    def region(self) -> str:
        """The stack's region. Keys that give the provider credentials of its own are refused."""
        self.problems |= other_credentials(self.file.values)
        if self.file.region is None:
            self.problems["aws:region"] = t(
                "is missing; for Tokyo: `pulumi config set aws:region ap-northeast-1`"
            )
        return self.file.region or ""

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
        """Raise StackError unless all was well, with the stack's name and the keys as well."""
        self._check_prefix(prefix)
        self._check_unknown_keys([key.name for key in keys])
        if self.problems:
            raise refused(self.file.stack, self.problems)

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
        namespace = f"{self.file.project}:"
        for full in sorted(self.file.values):
            name = full.removeprefix(namespace)
            if name != full and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                self.problems[name] = (
                    t("there is no such key; did you mean {near}?", near=near[0])
                    if near
                    else t("there is no such key; Pulumi.yaml lists them all")
                )
